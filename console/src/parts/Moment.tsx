/** A time, picked from a calendar with hours, minutes and seconds, in the reader's zone. */
import "@mantine/dates/styles.css";
import { DateTimePicker } from "@mantine/dates";
import { useId } from "react";
import { toLocal, toUtc } from "../lib/time";
import { CALENDAR, CLOCK } from "./Calendar";

export interface MomentProps {
  label: string;
  value: string | undefined; // of UTC, as the API has it
  onChange: (value: string | undefined) => void;
  placeholder?: string;
}

export function Moment({ label, value, onChange, placeholder = "any" }: MomentProps) {
  const id = useId();
  return (
    <DateTimePicker
      id={id} // the calendar is named by the field that it belongs to
      label={label}
      size="xs"
      placeholder={placeholder}
      value={toLocal(value).replace("T", " ") || null}
      onChange={(local) => onChange(toUtc((local ?? "").replace(" ", "T")))}
      valueFormat="YYYY-MM-DD HH:mm:ss"
      withSeconds
      clearable
      {...CALENDAR}
      clearButtonProps={{ "aria-label": `Clear ${label.toLowerCase()}` }}
      timePickerProps={CLOCK}
      submitButtonProps={{ "aria-label": "Done" }}
      popoverProps={{ id, withinPortal: false, transitionProps: { duration: 0 } }}
    />
  );
}
