/** What an auditor asks the log for, and what a record says: pure functions over the leaf that was hashed. */
import { said, wordsOf } from "./words";

export const FILTERS = ["task", "correlation", "automation", "person", "kind", "since", "until"] as const;
export type AuditFilter = Partial<Record<(typeof FILTERS)[number], string>>;

/** Read a filter from an address. What is no text is undefined, and not left out: else the address itself would be taken. */
export const readFilter = (search: Record<string, unknown>): AuditFilter =>
  Object.fromEntries(FILTERS.map((name) => [name, wordsOf(search[name])?.trim()]));

/** Give a filter as the API's query: the same for the records and for the evidence pack. */
export function asQuery({ task, correlation, ...rest }: AuditFilter) {
  return { ...rest, ...(task && { task_id: task }), ...(correlation && { correlation_id: correlation }) };
}

export const evidenceAddress = (filter: AuditFilter): string => `/v1/evidence?${new URLSearchParams(said(asQuery(filter)))}`;

export type Facts = Record<string, unknown>;

/** Read a leaf by itself, so that what is shown is what was hashed and not what the server says of it. */
export function factsOf(leaf: string): Facts {
  try {
    const facts: unknown = JSON.parse(leaf);
    if (typeof facts === "object" && facts !== null && !Array.isArray(facts)) return facts as Facts;
  } catch {
    // said below: a leaf that cannot be read has no facts
  }
  return { kind: "cannot be read" };
}

export const textOf = (facts: Facts, name: string): string | null => {
  const value = facts[name];
  return typeof value === "string" && value ? value : null;
};

/** What a record is about, by the ID or the name that its leaf gives. */
export function whatOf(facts: Facts): string | null {
  const names = ["effect", "document", "account", "session", "secret", "provider", "view", "delegation", "elevation", "link", "model", "model_key"];
  const found = names.map((name) => textOf(facts, name)).find((value) => value !== null);
  if (found) return found;
  if (typeof facts.change === "number") return `change ${facts.change}, set ${String(facts.set)}`;
  return textOf(facts, "key") ?? textOf(facts, "route");
}

/** A fact's name in words; the pointer of an answer's field, or a file's name, as it is. */
export const fieldName = (name: string): string => (/[/.]/.test(name) ? name : name.replaceAll("_", " "));

/** A value as a person reads it. */
export function saidOf(value: unknown): string {
  if (value === null || value === undefined) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value.length ? value.join(", ") : "none";
  return typeof value === "string" ? value || "empty" : JSON.stringify(value);
}

/** What a leaf says, without what every leaf has and without what only proves. */
export function shownFacts(facts: Facts): [string, unknown][] {
  const beside = ["v", "kind", "tenant", "at", "salt", "commit", "line", "line_salt"];
  return Object.entries(facts).filter(([name]) => !beside.includes(name));
}

/** What the product holds beside the log; leaves name no person. */
export interface Joined {
  submittedBy?: string | null;
  review?: { history: { kind: string; by?: string | null; at: string }[]; answered_by?: string | null } | null;
  effects?: { id: string; generation?: number; by?: string | null }[];
}

/** Give who did what a record says, as far as the data beside it names one. */
export function actorOf(facts: Facts, { submittedBy, review, effects }: Joined): string | null {
  const kind = textOf(facts, "kind") ?? "";
  if (kind === "task.accepted") return submittedBy ?? null;
  if (kind === "effect") {
    return effects?.find((one) => one.id === facts.effect && (one.generation ?? 1) === facts.generation)?.by ?? null;
  }
  if (!kind.startsWith("review.") || !review) return null;
  const said = kind.slice("review.".length);
  const own = review.history.filter((event) => event.kind === said && event.by);
  const at = Date.parse(textOf(facts, "at") ?? "");
  own.sort((a, b) => Math.abs(Date.parse(a.at) - at) - Math.abs(Date.parse(b.at) - at));
  return own[0]?.by ?? (said === "answered" ? (review.answered_by ?? null) : null);
}
