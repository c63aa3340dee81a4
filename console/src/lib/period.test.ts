import { expect, test } from "vitest";
import { periodWords, readEnd, timeOf } from "./period";

const NOW = Date.parse("2026-03-29T03:10:45Z");
const written = (at: Date) => at.toISOString().slice(0, 16);

test("an end is a time or how long ago, and anything else narrows nothing", () => {
  expect(["24h", "7d", "2026-03-29T01:00:00+02:00"].map(readEnd)).toEqual(["24h", "7d", "2026-03-28T23:00:00.000Z"]);
  expect(["0h", "24", "yesterday", "12345h", "", 7, null, undefined].map(readEnd)).toEqual(Array(8).fill(undefined));
});

test("how long ago moves along, a minute at a time", () => {
  expect(timeOf("24h", NOW)).toBe("2026-03-28T03:10:00.000Z"); // 24 hours, also over a change of the clocks
  expect(timeOf("24h", NOW + 10_000)).toBe(timeOf("24h", NOW));
  expect(timeOf("7d", NOW)).toBe("2026-03-22T03:10:00.000Z");
  expect(timeOf("2026-03-28T23:00:00.000Z", NOW)).toBe("2026-03-28T23:00:00.000Z");
  expect(timeOf(undefined, NOW)).toBeUndefined();
});

test("a period is said in words", () => {
  const at = "2026-03-28T23:00:00.000Z";
  expect(periodWords(undefined, undefined, written)).toBe("Any time");
  expect(periodWords("24h", undefined, written)).toBe("In the last 24 hours");
  expect(periodWords("1d", undefined, written)).toBe("In the last day");
  expect(periodWords(at, "1h", written)).toBe("Since 2026-03-28T23:00, before the last hour");
  expect(periodWords(undefined, at, written)).toBe("Before 2026-03-28T23:00");
});
