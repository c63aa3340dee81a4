/** What a step wrote: narrowed, by attempt, and as text. Pure. */
import type { Schemas } from "../api/client";

export type LogLine = Schemas["LogLine"];

export const LEVELS = ["debug", "info", "warning", "error", "critical"] as const;

/** How much a line weighs: what was printed counts as info, and what says that lines are missing is always shown. */
function weight(line: Pick<LogLine, "level" | "stream">): number {
  if (line.stream === "cut") return LEVELS.length;
  const found = LEVELS.indexOf(line.level as (typeof LEVELS)[number]);
  return found < 0 ? LEVELS.indexOf("info") : found;
}

/** The lines at least as severe as a level, with a text in them or in their logger's name. */
export function narrowed(lines: readonly LogLine[], find: string, from: string): LogLine[] {
  const least = LEVELS.indexOf(from as (typeof LEVELS)[number]);
  const sought = find.trim().toLowerCase();
  return lines.filter((line) => weight(line) >= least && (sought === "" || `${line.logger ?? ""} ${line.text}`.toLowerCase().includes(sought)));
}

/** The lines of each attempt, first attempt first. */
export function byAttempt(lines: readonly LogLine[]): [number, LogLine[]][] {
  const found = new Map<number, LogLine[]>();
  for (const line of lines) found.set(line.attempt, [...(found.get(line.attempt) ?? []), line]);
  return [...found].sort(([one], [other]) => one - other);
}

/** What a line is beside its text: its level, or where it was written to. */
export const kindOf = (line: Pick<LogLine, "level" | "stream">): string => line.level ?? line.stream;

/** Lines to copy, with times in UTC. */
export function asText(lines: readonly LogLine[]): string {
  return lines.map((line) => `${line.at} ${kindOf(line).padEnd(8)} ${line.logger ? `${line.logger}: ` : ""}${line.text}${cutNote(line)}\n`).join("");
}

/** What is said of a line whose end is not kept. */
export const cutNote = (line: Pick<LogLine, "cut_chars">): string => (line.cut_chars > 0 ? ` … ${line.cut_chars} more characters` : "");
