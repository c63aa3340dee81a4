import { expect, it } from "vitest";
import type { Schemas } from "../api/client";
import { asked, counterexamples, fileNames, formerSets, furtherDifferences, named, proved, sameFiles, unshown, withCopy, wrongName } from "./policies";

const difference = (action: string, context: Record<string, unknown>): Schemas["PolicyDifference"] => ({
  principal: { type: "User", id: "user:a" },
  action,
  resource: { type: "Task", id: "t1" },
  context,
  before: { answer: "allow", obligations: [], policies: [] },
  after: { answer: "deny", obligations: [], policies: ["freeze"] },
});

it("tells sets apart by their files and not by their order", () => {
  expect(sameFiles({ a: "1", b: "2" }, { b: "2", a: "1" })).toBe(true);
  expect(sameFiles({ a: "1" }, { a: "1 " })).toBe(false);
  expect(sameFiles({ a: "1" }, { a: "1", b: "" })).toBe(false);
});

it("shows policies before their cases", () => {
  expect(fileNames({ "cases.yaml": "", "own.cedar": "", "a.cedar": "" })).toEqual(["a.cedar", "own.cedar", "cases.yaml"]);
});

it("takes names of files as a set does", () => {
  expect(wrongName("limits.cedar", {})).toBeNull();
  expect(wrongName("limits.cedar", { "limits.cedar": "" })).toContain("such a file");
  for (const name of ["", "../a.cedar", "a.txt", "A.cedar", ".cedar", "a/b.cedar"]) expect(wrongName(name, {})).not.toBeNull();
});

it("says who asks for what, and shows the smallest request first", () => {
  expect(asked(difference("task.submit", {}))).toBe("user:a → task.submit → Task t1");
  expect(named({ type: "Service" })).toBe("Service");
  const impact = {
    recorded: 0, changed: 0, examples: [],
    searched: {
      expenses: { requests: 1, actions: [], counterexamples: [difference("b", { amount: 100, currency: "EUR" })] },
      "": { requests: 1, actions: ["a", "c"], counterexamples: [difference("a", {})] },
      other: { requests: 1, actions: ["a"], counterexamples: [difference("a", {})] },
    },
  }; // prettier-ignore
  expect(counterexamples(impact).map((one) => one.action)).toEqual(["a", "b"]); // each once
  expect(unshown(impact)).toEqual(["c"]);
});

it("sums up what was proved, and shows a difference only where the search shows none", () => {
  const proof = { kinds: 2, proved: 1, differs: [difference("a", {}), difference("c", { n: 1 }), difference("c", { n: 2 })], undecided: [], problem: null };
  const undecided = { principal: "User", action: "d", resource: "Task", reason: "p uses `ip`" };
  const impact = {
    recorded: 0, changed: 0, examples: [],
    searched: { "": { requests: 1, actions: ["a", "c"], counterexamples: [difference("a", {})] } },
  }; // prettier-ignore
  expect(proved(impact)).toBeNull();
  expect(furtherDifferences(impact)).toEqual([]);
  const asked = { ...impact, proofs: { "": proof, expenses: { kinds: 3, proved: 2, differs: [], undecided: [undecided], problem: null } } };
  expect(proved(asked)).toMatchObject({ kinds: 5, proved: 3, undecided: [undecided], problem: null });
  expect(furtherDifferences(asked).map((one) => one.context)).toEqual([{ n: 2 }]);
  const missing = { "": { kinds: 0, proved: 0, differs: [], undecided: [], problem: "not proved" } };
  expect(proved({ ...impact, proofs: missing })?.problem).toBe("not proved");
});

it("goes back only to what was in force, and not to what is", () => {
  const change = (set_number: number, state: "done" | "rejected" | "proposed", mode: "active" | "shadow" = "active"): Schemas["PolicyChange"] => ({
    number: 1, set_number, mode, kind: "activate", state, asked_by: "user:a", asked_at: "", decided_by: null, decided_at: null, reason: null,
  }); // prettier-ignore
  const changes = [change(4, "proposed"), change(3, "done"), change(2, "done"), change(1, "rejected"), change(5, "done", "shadow")];
  expect(formerSets(changes, 3)).toEqual([2, 0]);
  expect(formerSets([], 0)).toEqual([]);
});

it("a copy of a shipped policy gets an ID of its own, and stands below what is there", () => {
  const shipped = { id: "other-tenant", text: '// Nobody.\n@id("other-tenant") forbid (principal, action, resource);' };
  const once = withCopy({ "cases.yaml": "cases: []", "a.cedar": "// mine\n" }, shipped);
  expect(once["a.cedar"]).toBe('// mine\n\n// Nobody.\n@id("own-other-tenant") forbid (principal, action, resource);\n');
  expect(withCopy(once, shipped)["a.cedar"]).toContain('@id("own-other-tenant-2")');
  expect(withCopy({ "cases.yaml": "" }, shipped)["own.cedar"]).toMatch(/^\/\/ Nobody/);
});
