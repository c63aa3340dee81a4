/** A day, or a time of one, typed or picked from a calendar. What is typed stays as it is written: the server says what is wrong with it. */
import { ActionIcon, Popover, TextInput, type TextInputProps } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconCalendar } from "@tabler/icons-react";
import { lazy, Suspense } from "react";
import { part } from "../lib/onDemand";
import { dayOf } from "../lib/time";
import { Loading } from "./Loading";

const Calendar = lazy(() => part(() => import("./Calendar")).then((module) => ({ default: module.Calendar })));

interface Props extends Omit<TextInputProps, "value" | "onChange"> {
  withTime: boolean;
  value: string;
  onChange: (value: string) => void;
}

export function DateField({ withTime, value, onChange, ...rest }: Props) {
  const [opened, { toggle, close }] = useDisclosure();
  const button = (
    <Popover opened={opened} onChange={close} position="bottom-end" trapFocus returnFocus transitionProps={{ duration: 0 }}>
      <Popover.Target>
        <ActionIcon variant="subtle" color="gray" aria-label="Open the calendar" onClick={toggle}>
          <IconCalendar size={16} aria-hidden />
        </ActionIcon>
      </Popover.Target>
      {/* Escape closes the calendar, and not the dialog below it, which hears of keys first and looks for this mark. */}
      <Popover.Dropdown aria-label="Calendar" onFocusCapture={(event) => event.target.setAttribute("data-mantine-stop-propagation", "true")}>
        <Suspense fallback={<Loading what="The calendar" height={260} />}>
          <Calendar withTime={withTime} value={dayOf(value, withTime)} onPick={onChange} onDone={close} />
        </Suspense>
      </Popover.Dropdown>
    </Popover>
  );
  return (
    <TextInput
      {...rest}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      placeholder={withTime ? "YYYY-MM-DD HH:MM" : "YYYY-MM-DD"}
      rightSection={button}
      autoComplete="off"
    />
  );
}
