import { expect, it } from "vitest";
import { type Document, formOf, leaves, placed, valueOf } from "./form";

const DOCUMENT = {
  type: "object",
  required: ["id"],
  properties: { id: { type: "string", pattern: "^doc_[0-9a-f]{32}$" }, filename: { type: "string", default: "" } },
};
const orNothing = (schema: object) => ({ anyOf: [schema, { type: "null" }], default: null });
const SCHEMA = {
  type: "object",
  required: ["documents", "agreed", "kind"],
  properties: {
    documents: { type: "array", minItems: 1, maxItems: 20, items: { $ref: "#/$defs/Document" }, title: "Documents" },
    cover: orNothing({ $ref: "#/$defs/Document" }),
    claim: orNothing({ $ref: "#/$defs/Claim" }),
    agreed: { type: "boolean" },
    kind: { type: "string", enum: ["meal", "taxi"] },
    tags: { type: "array", items: { type: "string" } },
    counts: { type: "array", items: { type: "integer" } },
    "a/b": { type: "integer", default: 3 },
    extra: { type: "object", additionalProperties: true },
    either: { anyOf: [{ type: "integer" }, { type: "boolean" }] },
    note: { type: "string", maxLength: 2000 },
    at: { type: "string", format: "date-time" },
  },
  $defs: {
    Document: DOCUMENT,
    Claim: {
      type: "object",
      properties: {
        employee: orNothing({ type: "string", pattern: "^user:.+$", maxLength: 100 }),
        amount: { anyOf: [{ type: "number", exclusiveMinimum: 0 }, { type: "string" }, { type: "null" }], default: null, title: "Amount" },
        submitted_on: { ...orNothing({ type: "string", format: "date" }), title: "Submitted On", description: "The day." },
      },
    },
  },
};
const form = formOf(SCHEMA);
const stored: Document = { id: `doc_${"a".repeat(32)}`, filename: "r.jpg", media_type: "image/jpeg", size_bytes: 3, sha256: "", pages: 1 };

it("every kind of field has a control that fits", () => {
  expect(Object.fromEntries(leaves(form).map((node) => [node.pointer, node.kind]))).toEqual({
    "/input/documents": "documents", "/input/cover": "documents", "/input/claim/employee": "text", "/input/claim/amount": "decimal",
    "/input/claim/submitted_on": "date", "/input/agreed": "yes-no", "/input/kind": "choice", "/input/tags": "list", "/input/counts": "list",
    "/input/a~1b": "number", "/input/extra": "json", "/input/either": "json", "/input/note": "long-text", "/input/at": "date-time",
  }); // prettier-ignore
  const day = leaves(form).find((node) => node.name === "submitted_on")!;
  expect([day.label, day.description, day.nullable, day.required]).toEqual(["Submitted on", "The day.", true, false]);
  expect(leaves(form).find((node) => node.name === "a/b")!.standard).toBe("3");
});

it("what is left empty is left out, and decimals stay as they were typed", () => {
  expect(valueOf(form, {})).toEqual({});
  expect(
    valueOf(form, {
      "/input/documents": [stored], "/input/cover": [stored], "/input/claim/amount": "12.30", "/input/agreed": "false", "/input/kind": "meal",
      "/input/tags": ["a", "b"], "/input/counts": ["1", "x"], "/input/a~1b": "7", "/input/extra": '{"x": 1}', "/input/either": "true",
      "/input/at": "2030-01-14T18:00:00+08:00",
    }),
  ).toEqual({
    documents: [stored], cover: stored, claim: { amount: "12.30" }, agreed: false, kind: "meal", tags: ["a", "b"], counts: [1, "x"], "a/b": 7,
    extra: { x: 1 }, either: true, at: "2030-01-14T10:00:00.000Z",
  }); // prettier-ignore
});

it("a number that would change on the way goes as text, for the server to judge", () => {
  const big = formOf({ type: "object", properties: { n: { type: "integer" } } });
  expect(valueOf(big, { "/input/n": "12345678901234567890" })).toEqual({ n: "12345678901234567890" });
  expect(valueOf(big, { "/input/n": "twelve" })).toEqual({ n: "twelve" });
});

it("a time is read as the reader's own, and what is none goes as it was typed", () => {
  const at = formOf({ type: "object", properties: { t: { type: "string", format: "date-time" } } });
  const sent = (text: string) => (valueOf(at, { "/input/t": text }) as { t: string }).t;
  const own = new Date(2030, 0, 14, 18, 0).toISOString();
  expect([sent("2030-01-14 18:00"), sent(" 2030-01-14T18:00:00 ")]).toEqual([own, own]);
  for (const wrong of ["5", "01/02/2030 10:00", "2030-02-30 10:00", "2030-01-14", "2030-01-14 25:00", "tomorrow"]) expect(sent(wrong)).toBe(wrong);
});

it("what the API finds wrong stands at the nearest field", () => {
  const said = (pointer: string, detail: string) => ({ pointer, detail, kind: "x", where: "body" as const });
  expect(placed(form, [said("/input/claim/employee", "no"), said("/input/documents/0/id", "gone"), said("/input/claim/employee", "short"), said("/labels", "many")])).toEqual({
    at: { "/input/claim/employee": "no; short", "/input/documents": "gone" },
    rest: [said("/labels", "many")],
  });
});

it("a schema that names itself ends in JSON", () => {
  const tree = { $ref: "#/$defs/T", $defs: { T: { type: "object", properties: { below: orNothing({ $ref: "#/$defs/T" }), name: { type: "string" } } } } };
  expect(leaves(formOf(tree)).some((node) => node.kind === "json")).toBe(true);
});
