/** What an auditor asks the log for, and what a record says: pure functions over the leaf that was hashed. */
export const FILTERS = ["task", "correlation", "automation", "person", "kind", "since", "until"] as const;
export type AuditFilter = Partial<Record<(typeof FILTERS)[number], string>>;

/** Read a filter from an address; what is no text does not narrow. */
export function readFilter(search: Record<string, unknown>): AuditFilter {
  const found: AuditFilter = {};
  for (const name of FILTERS) {
    const value = search[name];
    if (typeof value === "string" && value.trim()) found[name] = value.trim();
  }
  return found;
}

/** Give a filter as the API's query: the same for the records and for the evidence pack. */
export function asQuery({ task, correlation, ...rest }: AuditFilter) {
  return { ...rest, ...(task && { task_id: task }), ...(correlation && { correlation_id: correlation }) };
}

export const evidenceAddress = (filter: AuditFilter): string => `/v1/evidence?${new URLSearchParams(asQuery(filter))}`;

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

/** Turn an input's local time into what the API takes, and back; empty where it is none. */
export function toUtc(local: string): string | undefined {
  const date = new Date(local);
  return local && !Number.isNaN(date.getTime()) ? date.toISOString() : undefined;
}

export function toLocal(utc: string | undefined): string {
  const date = new Date(utc ?? "");
  if (Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
