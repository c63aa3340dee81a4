/** What a person has begun for a review and the server does not have yet: it outlives a reload, a session's end and a lost network.
 * Kept in this browser under the person's name, so that nobody else who signs in here finds it in theirs. */
import type { Given } from "./answer";

export interface Of {
  user: string;
  review: { id: string; revision: number };
}
type What = "fields" | "reject" | "ask" | "answer";
export type Rejection = { preset?: string; more?: string };

const keyOf = ({ user, review }: Of, what: What) => `interlock.draft.${user}.${review.id}.${review.revision}.${what}`;

function read<T>(of: Of, what: What, empty: T): T {
  try {
    return (JSON.parse(localStorage.getItem(keyOf(of, what)) ?? "null") as T | null) ?? empty;
  } catch {
    return empty; // what cannot be read is no draft
  }
}

function keep(of: Of, what: What, value: unknown): void {
  const empty = value === null || value === "" || (typeof value === "object" && Object.keys(value!).length === 0);
  if (empty) localStorage.removeItem(keyOf(of, what));
  else localStorage.setItem(keyOf(of, what), JSON.stringify(value));
}

export const readTyped = (of: Of) => read<Record<string, string>>(of, "fields", {});
export const keepTyped = (of: Of, typed: Record<string, string>) => keep(of, "fields", typed);
export const readRejection = (of: Of) => read<Rejection>(of, "reject", {});
export const keepRejection = (of: Of, rejection: Rejection) => keep(of, "reject", rejection);
export const readQuestion = (of: Of) => read(of, "ask", "");
export const keepQuestion = (of: Of, text: string) => keep(of, "ask", text);

/** An answer that was given and of which the server has not said that it has it. It is never sent by itself: only whoever gave it does. */
export const readUnsent = (of: Of) => read<Given | null>(of, "answer", null);
export const keepUnsent = (of: Of, given: Given | null) => keep(of, "answer", given);

/** Forget all of it: the review is answered. */
export function forget(of: Of): void {
  for (const what of ["fields", "reject", "ask", "answer"] as const) localStorage.removeItem(keyOf(of, what));
}
