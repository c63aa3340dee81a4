import { expect, test } from "vitest";
import { asText, byAttempt, type LogLine, narrowed } from "./logs";

const line = (text: string, more: Partial<LogLine> = {}): LogLine => ({
  at: "2026-01-02T03:04:05.123456Z",
  effect_id: "/a#1",
  generation: 1,
  attempt: 1,
  stream: "log",
  level: "info",
  logger: "pay",
  text,
  cut_chars: 0,
  ...more,
});
const LINES = [
  line("hello", { level: "debug" }),
  line("printed", { stream: "stdout", level: null, logger: null }),
  line("Careful", { level: "warning" }),
  line("broken", { level: "error", attempt: 2 }),
  line("not kept", { stream: "cut", level: null, logger: null, attempt: 2 }),
];
const texts = (lines: LogLine[]) => lines.map((one) => one.text);

test("a level narrows, prints count as info, and what is missing is always said", () => {
  expect(texts(narrowed(LINES, "", ""))).toEqual(texts(LINES));
  expect(texts(narrowed(LINES, "", "info"))).toEqual(["printed", "Careful", "broken", "not kept"]);
  expect(texts(narrowed(LINES, "", "error"))).toEqual(["broken", "not kept"]);
});

test("words are found in any case, in the logger's name too", () => {
  expect(texts(narrowed(LINES, " careFUL ", ""))).toEqual(["Careful"]);
  expect(texts(narrowed(LINES, "pay", "warning"))).toEqual(["Careful", "broken"]);
});

test("attempts stand in their order", () => {
  expect(byAttempt([...LINES].reverse()).map(([attempt, lines]) => [attempt, lines.length])).toEqual([
    [1, 3],
    [2, 2],
  ]);
});

test("lines are copied with time, level and logger", () => {
  expect(asText([LINES[1]!, line("long", { cut_chars: 7 })])).toBe(
    "2026-01-02T03:04:05.123456Z stdout   printed\n2026-01-02T03:04:05.123456Z info     pay: long … 7 more characters\n",
  );
});
