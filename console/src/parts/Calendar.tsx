/** A calendar, and beside a day its time where that is asked for; loaded when one is opened. */
import "@mantine/dates/styles.css";
import { DatePicker, InlineDateTimePicker } from "@mantine/dates";

/** How every calendar of the console is. */
export const CALENDAR = {
  highlightToday: true,
  weekendDays: [] as never[], // red would say that something is wrong with them
  hideOutsideDates: true, // which are written too faintly to be read
  ariaLabels: { nextMonth: "Next month", previousMonth: "Previous month", nextYear: "Next year", previousYear: "Previous year", nextDecade: "Next decade", previousDecade: "Previous decade" },
};
export const CLOCK = { "aria-label": "Time", hoursInputLabel: "Hours", minutesInputLabel: "Minutes", secondsInputLabel: "Seconds" };

interface Props {
  withTime: boolean;
  value: string | null; // "2026-01-31", or "2026-01-31 12:30:00", in the reader's zone
  onPick: (value: string) => void;
  onDone: () => void;
}

export function Calendar({ withTime, value, onPick, onDone }: Props) {
  if (!withTime) {
    const pick = (day: string | null) => {
      if (day) onPick(day);
      onDone();
    };
    return <DatePicker {...CALENDAR} value={value} defaultDate={value ?? undefined} onChange={pick} />;
  }
  return (
    <InlineDateTimePicker
      {...CALENDAR}
      value={value}
      onChange={(moment) => moment && onPick(moment.slice(0, 16))}
      onSubmit={onDone}
      timePickerProps={CLOCK}
      submitButtonProps={{ "aria-label": "Done" }}
    />
  );
}
