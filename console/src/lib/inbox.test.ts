import { expect, it } from "vitest";
import { askedOf, narrowing, readInbox } from "./inbox";
import { said, same, wordsOf } from "./words";

it("reads what is a filter and leaves out the rest", () => {
  const search = { queue: "mine", risk: "high", due: "day", order: "due", person: "user:amir", find: " ", role: [7], other: "x" };
  expect(readInbox(search)).toEqual({ queue: "mine", risk: "high", due: "day", order: "due", person: "user:amir" });
  expect(readInbox({ risk: "some" })).toHaveProperty("risk", undefined); // and so the router gives none
  expect(narrowing(readInbox(search))).toBe(3);
  expect(readInbox({ queue: "all", risk: "some", due: "never", order: "up" })).toEqual({});
});

it("asks the API for it", () => {
  expect(askedOf({})).toEqual({ state: "open" });
  expect(askedOf({ queue: "mine", due: "day", role: "manager" })).toEqual({ state: "open", assignee: "me", due_within: 86_400, role: "manager" });
  expect(askedOf({ queue: "done" })).toEqual({ state: "answered", order: "newest" });
  expect(askedOf({ queue: "done", order: "oldest" })).toEqual({ state: "answered", order: "oldest" });
});

it("counts what narrows", () => {
  expect(narrowing({ queue: "mine", order: "due" })).toBe(0);
  expect(narrowing({ queue: "mine", risk: "low", find: "kedai" })).toBe(2);
});

it("compares what is said, in any order", () => {
  expect(same({ a: "1", b: "2", c: undefined }, { b: "2", a: "1" })).toBe(true);
  expect(same({ a: "1" }, { a: "2" })).toBe(false);
  expect(said({ a: "1", b: "", c: undefined })).toEqual({ a: "1" });
});

it("reads words as they can be looked for, whatever stands in the address", () => {
  expect(wordsOf("a\u0000\u0007b \ud800\uffff")).toBe("a b  ");
  expect(wordsOf("\u0000\u007f\u0085")).toBeUndefined();
  expect(wordsOf("😀 Größe 發票 \u202eفاتورة")).toBe("😀 Größe 發票 \u202eفاتورة");
  expect(wordsOf(4711)).toBe("4711"); // as the router has digits
  expect(wordsOf("x".repeat(3000))).toHaveLength(256);
  expect(wordsOf({})).toBeUndefined();
  expect(readInbox({ find: "\u0000", person: "\u0007user:amir" })).toEqual({ person: " user:amir" });
});
