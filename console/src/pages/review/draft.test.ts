import { beforeEach, expect, test, vi } from "vitest";
import { forget, keepQuestion, keepRejection, keepTyped, keepUnsent, readQuestion, readRejection, readTyped, readUnsent } from "./draft";

const of = { user: "user:mei", review: { id: "rev_1", revision: 1 } };
let held: Map<string, string>;

beforeEach(() => {
  held = new Map();
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => held.get(key) ?? null,
    setItem: (key: string, value: string) => void held.set(key, value),
    removeItem: (key: string) => void held.delete(key),
  });
});

test("what was begun is found again, by whoever began it and for the same revision", () => {
  keepTyped(of, { total: "1.00" });
  keepRejection(of, { more: "Half a sentence" });
  keepQuestion(of, "Why?");
  keepUnsent(of, { verdict: "reject", reason: "No." });
  expect([readTyped(of), readRejection(of), readQuestion(of), readUnsent(of)]).toEqual([
    { total: "1.00" },
    { more: "Half a sentence" },
    "Why?",
    { verdict: "reject", reason: "No." },
  ]);
  for (const other of [{ ...of, user: "user:priya" }, { ...of, review: { id: "rev_1", revision: 2 } }]) {
    expect([readTyped(other), readRejection(other), readQuestion(other), readUnsent(other)]).toEqual([{}, {}, "", null]);
  }
});

test("nothing stays of what is empty, answered or unreadable", () => {
  keepTyped(of, { total: "1.00" });
  keepTyped(of, {});
  keepQuestion(of, "");
  keepUnsent(of, null);
  expect(held.size).toBe(0);
  keepQuestion(of, "Why?");
  forget(of);
  expect(held.size).toBe(0);
  held.set("interlock.draft.user:mei.rev_1.1.fields", "{");
  expect(readTyped(of)).toEqual({});
});
