/** What a task's timeline says of its documents and of what was read from them. Pure. */
import type { Schemas } from "../api/client";
import { type Field, findRead, isValues, shownField, type Values } from "./review";

type Effect = Pick<Schemas["TimelineEffect"], "kind" | "outcome" | "input">;

/** Find the documents that a task was given, wherever they stand in what its effects were asked. */
export function documentsIn(value: unknown, depth = 5): string[] {
  if (typeof value !== "object" || value === null || depth === 0) return [];
  if (!Array.isArray(value)) {
    const { id, media_type: type } = value as { id?: unknown; media_type?: unknown };
    if (typeof id === "string" && id.startsWith("doc_") && typeof type === "string") return [id];
  }
  return [...new Set(Object.values(value).flatMap((below) => documentsIn(below, depth - 1)))];
}

/** What models read of the documents, as fields that can be marked. */
export function readFields(effects: readonly Effect[]): Field[] {
  const outcome = effects.find((effect) => effect.kind === "infer")?.outcome;
  if (!isValues(outcome)) return [];
  return Object.keys(outcome).flatMap((name) => {
    const found = findRead(outcome, name, 1);
    if (!found?.box) return [];
    return [shownField(name, found)];
  });
}

/** The values of another case by name: as a person left them, else as they were read, else as the task gave them out. */
export function valuesOf(effects: readonly Effect[], output: unknown, names: readonly string[]): Values {
  const answers = effects.filter((effect) => effect.kind === "review").map((effect) => (isValues(effect.outcome) ? effect.outcome.values : null));
  const answered = answers.filter(isValues).at(-1) ?? {};
  const read = effects.find((effect) => effect.kind === "infer" && isValues(effect.outcome))?.outcome;
  const out = isValues(output) ? output : {};
  return Object.fromEntries(names.map((name) => [name, answered[name] ?? findRead(read, name, 1)?.value ?? out[name] ?? null]));
}

/** Tell whether two values differ, and not only in how they are written. */
export function differs(one: unknown, other: unknown): boolean {
  const text = (value: unknown) => (value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value).trim());
  const [a, b] = [text(one), text(other)];
  const amount = /^-?\d+(\.\d+)?$/;
  return amount.test(a) && amount.test(b) && !/^0\d/.test(a) && !/^0\d/.test(b) ? Number(a) !== Number(b) : a !== b;
}

type Told = Pick<Schemas["TaskSummary"], "error" | "output" | "id" | "labels">;

export const labelsOf = (task: Pick<Told, "labels">): string =>
  Object.entries(task.labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");

// Who it is about first, then how much, then what came of it; the rest in its own order.
const FIRST = ["merchant", "vendor", "supplier", "sender", "customer", "from", "name", "title", "subject", "total", "amount", "currency", "decision", "date"];

/** What a task came to, in a few words: its error, or the short values of its output. */
export function saysOf(task: Told): string {
  const message = task.error?.message;
  if (typeof message === "string") return message;
  const place = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  const short = (isValues(task.output) ? Object.entries(task.output) : [])
    .filter(([, value]) => (typeof value === "string" || typeof value === "number") && String(value).trim() !== "" && String(value).length <= 80)
    .sort(([one], [other]) => place(one) - place(other));
  if (short.length === 0) return labelsOf(task) || task.id.slice(-8);
  return short
    .slice(0, 5)
    .map(([name, value], number) => `${number === 0 ? "" : name === "currency" ? " " : " · "}${String(value)}`)
    .join("");
}
