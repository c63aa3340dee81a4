/** What is typed into a box that narrows a list: it leads on when the typing rests. */
import { useDebouncedCallback } from "@mantine/hooks";
import { useLayoutEffect, useRef, useState } from "react";

/** Give what stands in the box, and how to type into it. The address follows the typing a moment later: what was typed since stays, and only a value
 * that came from elsewhere, such as a view or the way back, takes its place. */
export function useTyped(value: string, lead: (text: string) => void, restMs: number): [string, (text: string) => void] {
  const [typed, setTyped] = useState(value);
  const led = useRef(value); // where the typing led last
  const settle = useDebouncedCallback((text: string) => {
    const before = led.current;
    led.current = text.trim();
    if (led.current !== before.trim()) lead(led.current);
  }, restMs);
  useLayoutEffect(() => {
    if (value.trim() === led.current.trim()) return;
    led.current = value;
    settle.cancel();
    setTyped(value);
  }, [value, settle]);
  return [
    typed,
    (text) => {
      setTyped(text);
      settle(text);
    },
  ];
}
