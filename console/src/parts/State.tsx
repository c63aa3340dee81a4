/** States as icon, word and colour: never by colour alone. */
import { Badge, type MantineColor } from "@mantine/core";
import {
  IconAlertTriangle, IconBan, IconCheck, IconClockHour4, IconHelp, IconHourglass, IconPlayerPlay, IconX,
} from "@tabler/icons-react"; // prettier-ignore
import type { ComponentType } from "react";

type Look = [MantineColor, ComponentType<{ size: number; "aria-hidden": true }>];
const LOOKS: Record<string, Look> = {
  accepted: ["gray", IconHourglass],
  running: ["blue", IconPlayerPlay],
  waiting: ["yellow", IconClockHour4],
  open: ["yellow", IconClockHour4],
  pending: ["yellow", IconClockHour4],
  blocked: ["orange", IconAlertTriangle],
  succeeded: ["teal", IconCheck],
  ok: ["teal", IconCheck],
  answered: ["teal", IconCheck],
  approved: ["teal", IconCheck],
  approve: ["teal", IconCheck],
  amend: ["teal", IconCheck],
  allow: ["teal", IconCheck],
  failed: ["red", IconX],
  denied: ["red", IconBan],
  deny: ["red", IconBan],
  rejected: ["red", IconBan],
  reject: ["red", IconBan],
  needs_review: ["yellow", IconHelp],
  expired: ["orange", IconClockHour4],
  cancelled: ["gray", IconBan],
  released: ["teal", IconCheck],
  registered: ["gray", IconHourglass],
  evaluated: ["blue", IconHourglass],
  retired: ["gray", IconBan],
  revoked: ["gray", IconBan],
  disabled: ["gray", IconBan],
  ended: ["gray", IconClockHour4],
  to_review: ["orange", IconHelp],
  reviewed: ["teal", IconCheck],
  usable: ["teal", IconCheck],
  proposed: ["yellow", IconClockHour4],
  done: ["teal", IconCheck],
  delivered: ["teal", IconCheck],
  dead: ["red", IconX],
};

const WORDS: Record<string, string> = { approve: "approved", amend: "approved with changes", reject: "rejected" };

/** A state, or what was answered, as a person says it. */
export const wordOf = (state: string): string => WORDS[state] ?? state.replaceAll("_", " ");

export function State({ state, size = "sm" }: { state: string; size?: "xs" | "sm" | "md" }) {
  const [color, Icon] = LOOKS[state] ?? ["gray", IconHelp];
  return (
    <Badge variant="light" color={color} size={size} leftSection={<Icon size={12} aria-hidden />} tt="none" className="state">
      {wordOf(state)}
    </Badge>
  );
}

/** The same for long tables: plain elements, which cost a tenth. */
export function PlainState({ state }: { state: string }) {
  const [color, Icon] = LOOKS[state] ?? ["gray", IconHelp];
  return (
    <span className="plain-state" style={{ background: `var(--mantine-color-${color}-light)` }}>
      <Icon size={12} aria-hidden /> {wordOf(state)}
    </span>
  );
}
