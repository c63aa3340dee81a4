import { expect, it } from "vitest";
import { askedOf, narrowing, readInbox } from "./inbox";
import { said, same } from "./words";

it("reads what is a filter and leaves out the rest", () => {
  const search = { queue: "mine", risk: "high", due: "day", order: "due", person: "user:amir", find: " ", role: 7, other: "x" };
  expect(readInbox(search)).toEqual({ queue: "mine", risk: "high", due: "day", order: "due", person: "user:amir" });
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
