/** The one search box of a list; `/` leads to it. */
import { Kbd, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useRef } from "react";
import { usePageKeys } from "../frame/Keys";

export function FindBox(props: { label: string; placeholder: string; value: string; onFind: (find: string) => void; width: number }) {
  const input = useRef<HTMLInputElement>(null);
  usePageKeys([["/", (event) => { event.preventDefault(); input.current?.focus(); }]]); // prettier-ignore
  return (
    <TextInput
      ref={input}
      aria-label={props.label}
      placeholder={props.placeholder}
      leftSection={<IconSearch size={16} aria-hidden />}
      rightSection={<Kbd size="xs">/</Kbd>}
      value={props.value}
      onChange={(event) => props.onFind(event.currentTarget.value)}
      w={{ base: "100%", sm: props.width }}
    />
  );
}
