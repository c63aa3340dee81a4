import { expect, it } from "vitest";
import { actorOf, asQuery, evidenceAddress, factsOf, fieldName, readFilter, saidOf, shownFacts, whatOf } from "./audit";
import { dayOf, toLocal, toUtc } from "./time";

it("reads a filter from an address, and asks the API by its own names", () => {
  const filter = readFilter({ task: " task_1 ", correlation: "c", kind: "", person: [7], other: "x", since: "2026-01-02T00:00:00Z" });
  expect(filter).toEqual({ task: "task_1", correlation: "c", since: "2026-01-02T00:00:00Z" });
  expect(asQuery(filter)).toEqual({ task_id: "task_1", correlation_id: "c", since: "2026-01-02T00:00:00Z" });
  expect(evidenceAddress({ person: "user:mei & co" })).toBe("/v1/evidence?person=user%3Amei+%26+co");
  expect(evidenceAddress(readFilter({ kind: "\u0000", task: "task_1" }))).toBe("/v1/evidence?task_id=task_1");
  expect(readFilter({ kind: "\u0000" })).toHaveProperty("kind", undefined); // and so the router gives none
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

it("says values as a person reads them, and names what a record is about", () => {
  expect([null, true, false, ["a", "b"], [], "", "x", 3].map(saidOf)).toEqual(["none", "yes", "no", "a, b", "none", "empty", "x", "3"]);
  expect([fieldName("approval_limit"), fieldName("/total_sum"), fieldName("own_rules.cedar")]).toEqual(["approval limit", "/total_sum", "own_rules.cedar"]);
  expect(whatOf({ kind: "account.changed", account: "acc_1", key: "k" })).toBe("acc_1");
  expect(whatOf({ kind: "policy.activated", change: 2, set: 1 })).toBe("change 2, set 1");
  expect(whatOf({ kind: "task.waiting" })).toBeNull();
  expect(shownFacts({ v: 1, kind: "k", salt: "s", commit: "c", roles: ["a"] })).toEqual([["roles", ["a"]]]);
});

it("a calendar opens at what was typed, where that is a day", () => {
  expect([dayOf("2026-01-31", false), dayOf("2026-01-31 18:30", false), dayOf("2026-01-31T18:30", true)]).toEqual(["2026-01-31", "2026-01-31", "2026-01-31 18:30:00"]);
  expect([dayOf("", false), dayOf("2026-02-30", false), dayOf("31.1.2026", false), dayOf("2026-01-31", true)]).toEqual([null, null, null, "2026-01-31 00:00:00"]);
});
