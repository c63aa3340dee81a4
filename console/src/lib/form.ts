/** A form out of a JSON schema, and the value out of what was filled in. Pure. The server alone judges what is right. */
import type { Schemas } from "../api/client";
import { isValues, type Values } from "./review";
import { dayOf } from "./time";

export type Kind = "text" | "long-text" | "password" | "number" | "decimal" | "date" | "date-time" | "yes-no" | "choice" | "list" | "documents" | "group" | "json";
export type Document = Schemas["Document"];
export type Typed = string | string[] | Document[];

/** One field; `pointer` says where it stands in the request, as the API's problems do. */
export interface Node {
  name: string;
  pointer: string;
  label: string;
  description: string;
  kind: Kind;
  required: boolean;
  nullable: boolean;
  choices: string[];
  pattern: string | null;
  longest: number | null; // characters, or items
  standard: string; // what it is where nothing is given, in words
  single: boolean; // one document, and no list of them
  item: Kind | null; // of a list
  whole: boolean; // a number without a fraction
  children: Node[];
}

interface Schema {
  title?: string;
  description?: string;
  type?: string | string[];
  format?: string;
  pattern?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  maxLength?: number;
  maxItems?: number;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  $ref?: string;
  $defs?: Record<string, Schema>;
}

const DEPTH_MAX = 6; // deeper than that, and where a schema names itself, one writes JSON
const LONG = 200;

/** Give the form of an automation's input; its fields stand below `pointer` in the request. */
export function formOf(schema: unknown, pointer = "/input"): Node {
  const root = (isValues(schema) ? schema : {}) as Schema;
  return nodeOf("input", pointer, root, root, true, DEPTH_MAX);
}

const step = (name: string) => `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;

function resolved(schema: Schema, root: Schema): Schema {
  const name = schema.$ref?.match(/^#\/\$defs\/(.+)$/)?.[1];
  if (name) return { ...resolved(root.$defs?.[name] ?? {}, root), ...schema, $ref: undefined };
  if (schema.allOf?.length === 1) return { ...resolved(schema.allOf[0]!, root), ...schema, allOf: undefined };
  return schema;
}

/** Tell what a field may be beside nothing. */
function kinds(schema: Schema, root: Schema): { some: Schema[]; nullable: boolean } {
  const all = (schema.anyOf ?? schema.oneOf ?? [schema]).map((one) => resolved(one, root));
  const types = (one: Schema) => (Array.isArray(one.type) ? one.type : [one.type]);
  const nullable = all.some((one) => types(one).includes("null"));
  const some = all.flatMap((one) => {
    const rest = types(one).filter((type) => type !== "null");
    return rest.length === 0 ? [] : [{ ...one, type: rest.length === 1 ? rest[0] : undefined }];
  });
  return { some, nullable };
}

function nodeOf(name: string, pointer: string, given: Schema, root: Schema, required: boolean, depth: number): Node {
  const outer = resolved(given, root);
  const { some, nullable } = kinds(outer, root);
  const decimal = some.length === 2 && some.some((one) => one.type === "number") && some.some((one) => one.type === "string");
  const main = some.length === 1 ? some[0]! : {};
  const node: Node = {
    name,
    pointer,
    label: titled(outer.title ?? name),
    description: outer.description ?? main.description ?? "",
    kind: "json",
    required,
    nullable,
    choices: [],
    pattern: main.pattern ?? null,
    longest: main.maxLength ?? main.maxItems ?? null,
    standard: outer.default === undefined || outer.default === null || outer.default === "" ? "" : JSON.stringify(outer.default),
    single: false,
    item: null,
    whole: main.type === "integer",
    children: [],
  };
  if (decimal) return { ...node, kind: "decimal" };
  if (some.length !== 1 || depth === 0) return node;
  if (isDocument(main)) return { ...node, kind: "documents", single: true, longest: 1 };
  const simple = simpleKind(main);
  if (simple) return { ...node, kind: simple, choices: choicesOf(main) };
  if (main.type === "array" && main.items) {
    const { some: items } = kinds(resolved(main.items, root), root);
    if (items.length === 1 && isDocument(items[0]!)) return { ...node, kind: "documents" };
    const item = items.length === 1 ? simpleKind(items[0]!) : null;
    return item && item !== "yes-no" ? { ...node, kind: "list", item, choices: choicesOf(items[0]!) } : node;
  }
  if (main.type === "object" && main.properties) {
    const wanted = main.required ?? [];
    const children = Object.entries(main.properties).map(([key, below]) =>
      nodeOf(key, pointer + step(key), below, root, wanted.includes(key), depth - 1),
    );
    return { ...node, kind: "group", children };
  }
  return node;
}

/** Titles of Pydantic are in Title Case; here words are written as in a sentence. */
function titled(title: string): string {
  const words = title.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1).replace(/ ([A-Z])(?=[a-z])/g, (_, letter: string) => ` ${letter.toLowerCase()}`);
}

/** A stored file is known by the shape of its ID, whatever the automation calls it. */
const isDocument = (schema: Schema) => schema.properties?.id?.pattern?.startsWith("^doc_") ?? false;

function simpleKind(schema: Schema): Kind | null {
  if (choicesOf(schema).length > 0) return "choice";
  if (schema.type === "boolean") return "yes-no";
  if (schema.type === "number" || schema.type === "integer") return "number";
  if (schema.type !== "string") return null;
  if (schema.format === "date") return "date";
  if (schema.format === "date-time") return "date-time";
  if (schema.format === "password") return "password";
  return (schema.maxLength ?? 0) > LONG && !schema.pattern ? "long-text" : "text";
}

function choicesOf(schema: Schema): string[] {
  const all = schema.enum ?? (schema.const === undefined ? [] : [schema.const]);
  return all.every((choice) => typeof choice === "string") ? all : [];
}

/** Give the value of what was filled in; undefined where nothing was. A decimal stays text: a float would change it. */
export function valueOf(node: Node, typed: Readonly<Record<string, Typed>>): unknown {
  const given = typed[node.pointer];
  if (node.kind === "group") {
    const found: Values = {};
    for (const child of node.children) {
      const value = valueOf(child, typed);
      if (value !== undefined) found[child.name] = value;
    }
    return Object.keys(found).length > 0 || node.required ? found : undefined;
  }
  if (given === undefined || given.length === 0) return undefined;
  if (node.kind === "documents") return node.single ? given[0] : given;
  if (typeof given !== "string") return (given as string[]).map((one) => (node.item === "number" ? numeric(one) : one));
  if (node.kind === "yes-no") return given === "true";
  if (node.kind === "number") return numeric(given);
  if (node.kind === "date-time") return instant(given);
  if (node.kind === "json") return readJson(given) ?? given;
  return given;
}

/** A number where it is one that a computer keeps exactly enough; else the text, of which the server says what is wrong. */
function numeric(text: string): number | string {
  const trimmed = text.trim();
  return /^-?\d{1,15}(\.\d{1,15})?$/.test(trimmed) && trimmed.length <= 17 ? Number(trimmed) : text;
}

const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)$/i;

/** A time as the reader wrote it, in their zone, as the API takes it; what is none goes as it is, for the server to judge. */
function instant(text: string): string {
  const [, day, time] = text.trim().match(TIME) ?? [];
  const at = new Date(`${day}T${time}`);
  return !day || !dayOf(day, false) || Number.isNaN(at.getTime()) ? text : at.toISOString();
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // the text goes as it is, and the server says what should be there
  }
}

/** Put what the API says is wrong at the nearest field there is; the rest has no field here. */
export function placed(form: Node, errors: readonly Schemas["ProblemField"][]): { at: Record<string, string>; rest: Schemas["ProblemField"][] } {
  const fields = leaves(form);
  const at: Record<string, string> = {};
  const rest: Schemas["ProblemField"][] = [];
  for (const error of errors) {
    const found = fields
      .filter((node) => error.pointer === node.pointer || error.pointer.startsWith(`${node.pointer}/`))
      .sort((a, b) => b.pointer.length - a.pointer.length)[0];
    if (!found) rest.push(error);
    else at[found.pointer] = [at[found.pointer], error.detail].filter(Boolean).join("; ");
  }
  return { at, rest };
}

/** Every field that takes a value, in the form's order. */
export function leaves(node: Node): Node[] {
  return node.kind === "group" ? node.children.flatMap(leaves) : [node];
}
