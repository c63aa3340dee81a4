import { expect, it } from "vitest";
import { actorOf, asQuery, evidenceAddress, factsOf, readFilter, toLocal, toUtc } from "./audit";

it("reads a filter from an address, and asks the API by its own names", () => {
  const filter = readFilter({ task: " task_1 ", correlation: "c", kind: "", person: 7, other: "x", since: "2026-01-02T00:00:00Z" });
  expect(filter).toEqual({ task: "task_1", correlation: "c", since: "2026-01-02T00:00:00Z" });
  expect(asQuery(filter)).toEqual({ task_id: "task_1", correlation_id: "c", since: "2026-01-02T00:00:00Z" });
  expect(evidenceAddress({ person: "user:mei & co" })).toBe("/v1/evidence?person=user%3Amei+%26+co");
});

it("reads what was hashed, and nothing else", () => {
  expect(factsOf('{"kind":"effect","seq":1}')).toEqual({ kind: "effect", seq: 1 });
  for (const leaf of ["{", "[1]", "null", '"kind"']) expect(factsOf(leaf)).toEqual({ kind: "cannot be read" });
});

it("names who acted, as far as somebody is named", () => {
  const review = {
    answered_by: "user:mei",
    history: [
      { kind: "claimed", by: "user:priya", at: "2026-01-01T10:00:00Z" },
      { kind: "claimed", by: "user:mei", at: "2026-01-01T12:00:00Z" },
      { kind: "opened", by: null, at: "2026-01-01T09:00:00Z" },
    ],
  };
  expect(actorOf({ kind: "review.claimed", at: "2026-01-01T11:59:59Z" }, { review })).toBe("user:mei");
  expect(actorOf({ kind: "review.claimed", at: "2026-01-01T10:00:01Z" }, { review })).toBe("user:priya");
  expect(actorOf({ kind: "review.answered" }, { review })).toBe("user:mei");
  expect(actorOf({ kind: "review.opened" }, { review })).toBeNull();
  expect(actorOf({ kind: "task.accepted" }, { submittedBy: "user:amir" })).toBe("user:amir");
  const effects = [{ id: "/a#1", generation: 1, by: "policy" }, { id: "/a#1", generation: 2, by: "user:mei" }];
  expect(actorOf({ kind: "effect", effect: "/a#1", generation: 2 }, { effects })).toBe("user:mei");
  expect(actorOf({ kind: "document.stored" }, { submittedBy: "user:amir" })).toBeNull();
});

it("turns local times into UTC and back", () => {
  expect(toUtc("")).toBeUndefined();
  expect(toUtc("tomorrow")).toBeUndefined();
  expect(toLocal(undefined)).toBe("");
  expect(toUtc(toLocal("2026-03-04T05:06:07.000Z"))).toBe("2026-03-04T05:06:07.000Z");
});
