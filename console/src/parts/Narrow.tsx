/** One thing that a list is narrowed to: chosen from a few, or typed, with what is there offered. */
import { Autocomplete, Select } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useEffect, useState } from "react";

const SHAPE = { size: "xs", w: { base: "calc(50% - 5px)", xs: 150 }, comboboxProps: { transitionProps: { duration: 0 } } } as const;
type Choice = { value: string; label: string };

/** Choose one; nothing chosen narrows nothing. */
export function Choose(props: { label: string; value: string | undefined; choices: Choice[]; onChange: (value: string | undefined) => void; always?: boolean }) {
  const { label, value, choices, onChange, always = false } = props;
  return (
    <Select
      {...SHAPE}
      aria-label={label}
      placeholder={label}
      data={choices}
      value={value ?? null}
      onChange={(chosen) => onChange(chosen ?? undefined)}
      clearable={!always}
      clearButtonProps={{ "aria-label": `Any ${label.toLowerCase()}`, "aria-hidden": false, tabIndex: 0, size: "1.5rem" }}
      allowDeselect={!always}
    />
  );
}

/** Type one; it narrows when the typing rests. */
export function Typed(props: { label: string; value: string | undefined; offered: string[]; onChange: (value: string | undefined) => void }) {
  const { label, value = "", offered, onChange } = props;
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  const settle = useDebouncedCallback((text: string) => onChange(text.trim() || undefined), 300);
  return (
    <Autocomplete
      {...SHAPE}
      aria-label={label}
      placeholder={label}
      data={offered}
      value={typed}
      onChange={(text) => {
        setTyped(text);
        settle(text);
      }}
      clearable
      clearButtonProps={{ "aria-label": `Any ${label.toLowerCase()}`, "aria-hidden": false, tabIndex: 0, size: "1.5rem" }}
    />
  );
}
