import { expect, it } from "vitest";
import { labelOf, shareOf } from "./series";

it("names hours in the reader's zone, and days as UTC has them", () => {
  expect(labelOf("2026-03-04T23:00:00Z", "day", "en-GB", "Asia/Tokyo")).toBe("4 Mar");
  expect(labelOf("2026-03-04T23:00:00Z", "hour", "en-GB", "Asia/Tokyo")).toContain("08:00");
});

it("has no share where nothing succeeded", () => {
  expect(shareOf({ succeeded: 0, straight_through: 0 })).toBeNull();
  expect(shareOf({ succeeded: 3, straight_through: 2 })).toBe(67);
});
