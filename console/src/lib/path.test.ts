import { expect, it } from "vitest";
import type { Schemas } from "../api/client";
import { usualPath } from "./path";

const timeline = (...effects: [string, string, string, number | null][]) =>
  ({ effects: effects.map(([kind, name, status, duration_ms]) => ({ kind, name, status, duration_ms })) }) as unknown as Schemas["Timeline"];

it("effects stand in the order in which tasks come to them, with how many do", () => {
  const path = usualPath([
    timeline(["infer", "read", "ok", 100], ["decide", "approve", "ok", 1], ["step", "post", "ok", 10]),
    timeline(["infer", "read", "ok", 300], ["decide", "approve", "ok", 3], ["review", "ask", "expired", null]),
    timeline(["infer", "read", "failed", null]),
  ]);
  expect(path.map((stop) => [stop.name, stop.tasks, stop.bad, stop.ms])).toEqual([
    ["read", 3, 1, 200], ["approve", 2, 0, 2], ["ask", 1, 1, null], ["post", 1, 0, 10],
  ]); // prettier-ignore
  expect(path[1]!.share).toBeCloseTo(2 / 3);
  expect(usualPath([])).toEqual([]);
});
