/** One thing that a list is narrowed to: chosen from a few, or typed, with what is there offered. The browser's own controls: they weigh nothing. */
import { NativeSelect, TextInput } from "@mantine/core";
import { useId } from "react";
import { useTyped } from "./typed";

const SHAPE = { size: "xs", w: { base: "calc(50% - 5px)", xs: 150 } } as const;
type Choice = { value: string; label: string };

/** Choose one; the first, "any", narrows nothing, and is left out where one always holds. */
export function Choose(props: { label: string; value: string | undefined; choices: Choice[]; onChange: (value: string | undefined) => void; always?: boolean }) {
  const { label, value, choices, onChange, always = false } = props;
  const any = always ? [] : [{ value: "", label: `Any ${label.toLowerCase()}` }];
  return <NativeSelect {...SHAPE} aria-label={label} data={[...any, ...choices]} value={value ?? ""} onChange={(event) => onChange(event.currentTarget.value || undefined)} />;
}

/** Type one; it narrows when the typing rests. */
export function Typed(props: { label: string; value: string | undefined; offered: string[]; onChange: (value: string | undefined) => void }) {
  const { label, value = "", offered, onChange } = props;
  const [typed, type] = useTyped(value, (text) => onChange(text || undefined), 300);
  const list = useId();
  return (
    <>
      <TextInput
        {...SHAPE}
        aria-label={label}
        placeholder={`Any ${label.toLowerCase()}`}
        list={list}
        value={typed}
        onChange={(event) => type(event.currentTarget.value)}
      />
      <datalist id={list}>
        {offered.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
    </>
  );
}
