import { expect, it } from "vitest";
import { dataOf, plainEntries, stepsOf } from "./models";

it("offers what the life of a version allows, and nothing after it was turned down", () => {
  expect(stepsOf("evaluated")).toEqual(["approve", "reject"]);
  expect(stepsOf("released")).toEqual(["retire", "rollback"]);
  expect(stepsOf("registered")).not.toContain("approve"); // without an evaluation
  expect(stepsOf("rejected")).toEqual([]);
});

it("shows what a card says, and leaves out what it does not", () => {
  expect(plainEntries({ total_right: 0.97, data: "SROIE", empty: "", nested: { a: 1 }, list: [1] })).toEqual([["total_right", 0.97], ["data", "SROIE"]]);
  expect(plainEntries(null)).toEqual([]);
  expect(dataOf({ data: [{ name: "SROIE", version: "dev", licence: "", sha256: "" }, { name: "own", licence: "MIT", sha256: "ab".repeat(32) }] })).toEqual([
    "SROIE, dev",
    "own, licence MIT, SHA-256 abababababababab…",
  ]);
  expect(dataOf(undefined)).toEqual([]);
}); // prettier-ignore
