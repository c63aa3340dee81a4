/** A set of policies as it is written, and what it would change: pure functions. */
import type { Schemas } from "../api/client";

export type Files = Record<string, string>;

/** What a tenant's first set starts from: it compiles, and changes nothing but what it says. */
export const STARTER: Files = {
  "own.cedar": `@id("freeze")
@reason("Nothing is submitted during the freeze.")
@advice("Wait until it is over, or ask an owner.")
forbid (principal is User, action == Action::"task.submit", resource)
when { principal.roles.contains("author") };
`,
  "cases.yaml": `cases:
  - name: an author may not submit
    principal: {type: User, id: "user:a", attrs: {tenant: t, roles: [author]}}
    action: task.submit
    resource: {type: Automation, id: t/expenses, attrs: {tenant: t, name: expenses}}
    expect: deny
    reasons: [freeze]
`,
};

/** Tell whether two sets are the same, whatever the order of their files. */
export const sameFiles = (one: Files, other: Files): boolean =>
  JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort());

/** Give the names of a set's files: policies first, then the cases that hold them. */
export const fileNames = (files: Files): string[] =>
  Object.keys(files).sort((a, b) => Number(a === "cases.yaml") - Number(b === "cases.yaml") || a.localeCompare(b));

/** Why a name can be none of a further file; null where it can. */
export function wrongName(name: string, files: Files): string | null {
  if (name in files) return "There is such a file.";
  return /^[a-z0-9][a-z0-9._-]{0,60}\.cedar$/.test(name) ? null : "A file of a set is named like own.cedar.";
}

/** Put a copy of a shipped policy into a set, under an ID of its own: what is shipped stays as it is. */
export function withCopy(files: Files, policy: { id: string; text: string }): Files {
  const name = fileNames(files).find((one) => one.endsWith(".cedar")) ?? "own.cedar";
  const text = policy.text.replace(`@id("${policy.id}")`, `@id("${freeId(files, `own-${policy.id}`)}")`);
  return { ...files, [name]: `${(files[name] ?? "").trimEnd()}\n\n${text}\n`.trimStart() };
}

function freeId(files: Files, id: string, number = 1): string {
  const wanted = number === 1 ? id : `${id}-${number}`;
  return Object.values(files).some((text) => text.includes(`@id("${wanted}")`)) ? freeId(files, id, number + 1) : wanted;
}

type Difference = Schemas["PolicyDifference"];

/** Name an entity as policies do: its ID, or its type where it has none that says anything. */
export function named(entity: Record<string, unknown>): string {
  const { type, id } = entity;
  if (typeof id === "string" && id) return typeof type === "string" && type !== "User" ? `${type} ${id}` : id;
  return typeof type === "string" ? type : "somebody";
}

/** Say in a line what a set would answer otherwise. */
export const asked = (one: Difference): string => `${named(one.principal)} → ${one.action} → ${named(one.resource)}`;

/** Give the counterexamples of every search, each once, the smallest request first. */
export function counterexamples(impact: Schemas["PolicyImpact"]): Difference[] {
  const found = Object.values(impact.searched).flatMap((search) => search.counterexamples);
  const request = (one: Difference) => JSON.stringify([one.principal, one.action, one.resource, one.context]);
  const once = new Map(found.map((one) => [request(one), one]));
  return [...once.values()].sort((a, b) => request(a).length - request(b).length);
}

/** Name the actions that other policies decide, and for which no request was found that is answered differently. */
export function unshown(impact: Schemas["PolicyImpact"]): string[] {
  const shown = new Set(counterexamples(impact).map((one) => one.action));
  const all = Object.values(impact.searched).flatMap((search) => search.actions);
  return [...new Set(all)].filter((action) => !shown.has(action)).sort();
}

export interface Proved {
  kinds: number;
  proved: number;
  differs: Difference[];
  undecided: Schemas["PolicyUndecided"][];
  /** Why nothing was tried, where nothing was. */
  problem: string | null;
}

/** Sum up what was proved, over all automations; null where nobody asked for it. */
export function proved(impact: Schemas["PolicyImpact"]): Proved | null {
  if (!impact.proofs) return null;
  const proofs = Object.values(impact.proofs);
  return {
    kinds: proofs.reduce((sum, one) => sum + one.kinds, 0),
    proved: proofs.reduce((sum, one) => sum + one.proved, 0),
    differs: proofs.flatMap((one) => one.differs),
    undecided: proofs.flatMap((one) => one.undecided),
    problem: proofs.find((one) => one.problem)?.problem ?? null,
  };
}

/** Give the differences that a proof found of actions of which no counterexample is shown, one of each. */
export function furtherDifferences(impact: Schemas["PolicyImpact"]): Difference[] {
  const shown = new Set(counterexamples(impact).map((one) => one.action));
  const rest = (proved(impact)?.differs ?? []).filter((one) => !shown.has(one.action));
  return [...new Map(rest.map((one) => [one.action, one])).values()];
}

/** Give the sets that one can go back to: those that were in force once, but not the one that is; 0 is none of one's own. */
export function formerSets(changes: Schemas["PolicyChange"][], active: number): number[] {
  const were = changes.filter((one) => one.state === "done" && one.mode === "active").map((one) => one.set_number);
  return [...new Set([...were, 0])].filter((set) => set !== active).sort((a, b) => b - a);
}
