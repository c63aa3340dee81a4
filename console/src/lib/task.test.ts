import { describe, expect, it } from "vitest";
import { differs, documentsIn, readFields, saysOf, valuesOf } from "./task";

const infer = {
  kind: "infer",
  input: { documents: [{ id: "doc_1", media_type: "image/png" }, { id: "doc_1", media_type: "image/png" }] },
  outcome: { merchant: { value: "KEDAI", confidence: 0.9, box: [0, 0, 1, 1] }, total: { value: "12.30", confidence: 0.8 } },
};
const review = { kind: "review", input: null, outcome: { verdict: "amend", values: { total: "12.50", tax: null } } };

describe("another case", () => {
  it("names its documents once", () => {
    expect(documentsIn([infer.input, { a: { id: "task_1", media_type: "x" } }])).toEqual(["doc_1"]);
  });
  it("has its values as a person left them, else as read, else as given out", () => {
    const values = valuesOf([infer, review], { date: "2026-01-02", total: "1" }, ["merchant", "total", "date", "tax"]);
    expect(values).toEqual({ merchant: "KEDAI", total: "12.50", date: "2026-01-02", tax: null });
  });
  it("marks what has a place", () => {
    expect(readFields([infer]).map((field) => field.name)).toEqual(["merchant"]);
  });
  it("differs in values, not in how amounts are written", () => {
    expect(differs("12.30", "12.3")).toBe(false);
    expect(differs("12.30", 12.3)).toBe(false);
    expect(differs("007", "7")).toBe(true); // a number of a receipt is a name
    expect(differs(null, "")).toBe(false);
    expect(differs("a", "b")).toBe(true);
  });
});

describe("what a task came to", () => {
  const task = { id: "task_123456789", labels: { file: "a.jpg" }, error: null };
  it("says who it is about first, the currency beside the amount", () => {
    const output = { amount: "3.90", by: "policy", currency: "MYR", date: "2017-10-31", decision: "approved", merchant: "KEDAI", reasons: ["so"] };
    expect(saysOf({ ...task, output })).toBe("KEDAI · 3.90 MYR · approved · 2017-10-31");
  });
  it("says the error, else its labels where there is no output", () => {
    expect(saysOf({ ...task, output: { name: "x" }, error: { message: "It broke." } })).toBe("It broke.");
    expect(saysOf({ ...task, output: null })).toBe("file=a.jpg");
    expect(saysOf({ ...task, labels: {}, output: {} })).toBe("23456789");
  });
});
