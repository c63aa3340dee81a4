/** What a review's question says, put in the form that the page needs. Pure. */
import type { Schemas } from "../api/client";

export type Review = Schemas["ReviewSummary"];
export type Values = Record<string, unknown>;

/** Where a value was read: `page` from 1 over all documents, `box` as fractions of the page, and how surely. */
export interface Found {
  value: string;
  confidence: number | null;
  page: number | null;
  box: [number, number, number, number] | null;
}

export interface Field {
  name: string;
  label: string;
  value: unknown;
  kind: "text" | "number" | "date" | "yes-no" | "choice" | "other";
  choices: string[];
  required: boolean;
  nullable: boolean;
  description: string;
  pattern: string | null;
  limits: { minimum: number | null; above: number | null; maximum: number | null; length: number | null };
  found: Found | null;
}

const NO_LIMITS: Field["limits"] = { minimum: null, above: null, maximum: null, length: null };

/** A field that is shown and not changed: a value with its place. */
export const shownField = (name: string, found: Found): Field => ({
  name, label: name, value: found.value, kind: "text", choices: [], required: false, nullable: true, description: "", pattern: null, limits: NO_LIMITS, found,
}); // prettier-ignore

interface Schema {
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  maxLength?: number;
  title?: string;
  description?: string;
  type?: string;
  format?: string;
  pattern?: string;
  enum?: unknown[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  $ref?: string;
  $defs?: Record<string, Schema>;
}

export const isValues = (value: unknown): value is Values => typeof value === "object" && value !== null && !Array.isArray(value);

const isFound = (value: unknown): value is { value: unknown; confidence?: unknown; page?: unknown; box?: unknown } =>
  isValues(value) && "value" in value && ("confidence" in value || "box" in value);

/** Find, anywhere in the evidence, what was read for a field of this name. */
export function findRead(evidence: unknown, name: string, depth = 4): Found | null {
  if (!isValues(evidence) || depth === 0) return null;
  const here = evidence[name];
  if (isFound(here)) {
    const box = Array.isArray(here.box) && here.box.length === 4 && here.box.every((part) => typeof part === "number");
    return {
      value: String(here.value),
      confidence: typeof here.confidence === "number" ? here.confidence : null,
      page: typeof here.page === "number" ? here.page : null,
      box: box ? (here.box as Found["box"]) : null,
    };
  }
  for (const below of Object.values(evidence)) {
    const found = findRead(below, name, depth - 1);
    if (found) return found;
  }
  return null;
}

/** Give the fields of a review's form, in the form's order; without a form, those of its values. */
export function fieldsOf(review: Review): Field[] {
  const values = isValues(review.values) ? review.values : isValues(review.request.values) ? review.request.values : {};
  const form = (review.request.form ?? {}) as Schema;
  const names = form.properties ? Object.keys(form.properties) : Object.keys(values);
  return names.map((name) => fieldOf(name, values[name], form, review.request.evidence));
}

function fieldOf(name: string, value: unknown, form: Schema, evidence: unknown): Field {
  const own = resolved(form.properties?.[name] ?? {}, form);
  const kinds = (own.anyOf ?? [own]).map((one) => resolved(one, form));
  const main = kinds.find((one) => one.type !== "null" && one.pattern === undefined && one.type === "number") ?? kinds.find((one) => one.type !== "null") ?? own;
  const choices = (main.enum ?? []).filter((choice) => typeof choice === "string");
  return {
    name,
    label: own.title ?? name.replaceAll("_", " "),
    value: value ?? null,
    kind: kindOf(main, value),
    choices,
    required: form.required?.includes(name) ?? false,
    nullable: kinds.some((one) => one.type === "null"),
    description: own.description ?? "",
    pattern: kinds.find((one) => one.type === "string")?.pattern ?? null,
    limits: limitsOf(kinds),
    found: findRead(evidence, name),
  };
}

function limitsOf(kinds: Schema[]): Field["limits"] {
  const first = (name: "minimum" | "exclusiveMinimum" | "maximum" | "maxLength") => kinds.find((one) => typeof one[name] === "number")?.[name] ?? null;
  return { minimum: first("minimum"), above: first("exclusiveMinimum"), maximum: first("maximum"), length: first("maxLength") };
}

function resolved(schema: Schema, form: Schema): Schema {
  const name = schema.$ref?.match(/^#\/\$defs\/(.+)$/)?.[1];
  return name ? { ...form.$defs?.[name], ...schema } : schema;
}

function kindOf(schema: Schema, value: unknown): Field["kind"] {
  if (schema.enum) return "choice";
  if (schema.type === "boolean") return "yes-no";
  if (schema.type === "number" || schema.type === "integer") return "number";
  if (schema.format === "date") return "date";
  if (schema.type === "string") return "text";
  if (schema.type === undefined && (typeof value === "string" || value === null)) return "text";
  return "other";
}

/** Give the values with what was typed in their place. A decimal stays text: a float would change it. */
export function amended(review: Review, fields: Field[], typed: Record<string, string>): Values {
  const values = isValues(review.values) ? review.values : isValues(review.request.values) ? review.request.values : {};
  const result: Values = { ...values };
  for (const field of fields) {
    const text = typed[field.name];
    if (text === undefined) continue;
    if (text === "") result[field.name] = null;
    else if (field.kind === "yes-no") result[field.name] = text === "true";
    else if (field.kind === "other") result[field.name] = JSON.parse(text) as unknown;
    else result[field.name] = text;
  }
  return result;
}

/** The field by which cases are alike: who the other side is. */
export function likeField(values: unknown): string | null {
  if (!isValues(values)) return null;
  return ["merchant", "vendor", "supplier", "sender", "customer", "from", "name"].find((name) => typeof values[name] === "string" && values[name]) ?? null;
}

/** The tasks that the evidence names as approved before. */
export function approvedBefore(evidence: unknown): string[] {
  const named = isValues(evidence) ? evidence.approved_before : null;
  return Array.isArray(named) ? named.filter((task) => typeof task === "string") : [];
}

/** A task that is laid beside a case, and what both share; null where the evidence names it as approved before. */
export interface Other {
  task: string;
  same: string[] | null;
}

/** Give what is laid beside a case: what the evidence names first, then what is likely the same and not named yet. */
export function othersOf(evidence: unknown, likely: readonly { task_id: string; same: string[] }[]): Other[] {
  const named = approvedBefore(evidence);
  const more = likely.filter((one) => !named.includes(one.task_id));
  return [...named.map((task) => ({ task, same: null })), ...more.map((one) => ({ task: one.task_id, same: one.same }))];
}

/** Say what two cases share: "same document; same merchant, date, total". */
export function sharedWords(same: readonly string[]): string {
  const fields = same.filter((name) => name !== "document").map((name) => name.replaceAll("_", " "));
  const parts = [...(same.includes("document") ? ["document"] : []), ...(fields.length ? [fields.join(", ")] : [])];
  return parts.map((part) => `same ${part}`).join("; ");
}

export const REJECTIONS = ["It is not readable.", "It is not allowed by the rules.", "It does not fit the claim.", "It was handed in before.", "Something is missing."];

/** The entries of a value that is a list of objects, as a table: its columns in the order in which they first come; null where it is none. */
export function tableOf(value: unknown): { columns: string[]; rows: Values[] } | null {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isValues)) return null;
  return { columns: [...new Set(value.flatMap((row) => Object.keys(row)))], rows: value };
}
