import { describe, expect, it } from "vitest";
import { amended, fieldsOf, findRead, othersOf, type Review, sharedWords, tableOf } from "./review";
import { problemOf } from "./rules";

const review = {
  id: "rev_1",
  task_id: "task_1",
  correlation_id: "c",
  automation: "expenses",
  name: "approve-expense",
  role: "manager",
  task_submitted_by: "user:amir",
  request: {
    title: "KEDAI: 12.30 MYR",
    reasons: ["The claim differs."],
    values: { merchant: "KEDAI", total: "12.30", date: null },
    evidence: { reading: { merchant: { value: "KEDAI", confidence: 0.93, page: 1, box: [0.1, 0.1, 0.5, 0.2] } } },
    form: {
      properties: {
        merchant: { anyOf: [{ type: "string" }, { type: "null" }] },
        total: { anyOf: [{ type: "number" }, { type: "string", pattern: "^x$" }, { type: "null" }], title: "Total" },
        date: { anyOf: [{ type: "string", format: "date" }, { type: "null" }] },
      },
    },
  },
} as unknown as Review;

describe("fields", () => {
  const fields = fieldsOf(review);
  it("come in the form's order, with what was read", () => {
    expect(fields.map((f) => [f.name, f.kind])).toEqual([["merchant", "text"], ["total", "number"], ["date", "date"]]);
    expect(fields[0]!.found).toEqual({ value: "KEDAI", confidence: 0.93, page: 1, box: [0.1, 0.1, 0.5, 0.2] });
    expect(fields[1]!.found).toBeNull();
  });
  it("say what is wrong with what was typed", () => {
    expect(problemOf(fields[1]!, "12,30")).toContain("12.30");
    expect(problemOf(fields[1]!, "12.30")).toBe("");
    expect(problemOf(fields[2]!, "4 March")).toContain("2018-03-04");
  });
  it("keep decimals as text and empty as null", () => {
    expect(amended(review, fields, { total: "1.10", merchant: "" })).toEqual({ merchant: null, total: "1.10", date: null });
  });
});

it("a box of another shape is no box", () => {
  expect(findRead({ a: { total: { value: "1", confidence: 1, box: [1, 2] } } }, "total")?.box).toBeNull();
});

it("lays beside a case what the evidence names, then what is likely the same and not named", () => {
  const likely = [{ task_id: "task_1", same: ["document"] }, { task_id: "task_2", same: ["merchant", "date", "total"] }];
  expect(othersOf({ approved_before: ["task_1"] }, likely)).toEqual([{ task: "task_1", same: null }, { task: "task_2", same: ["merchant", "date", "total"] }]);
  expect(othersOf(null, [])).toEqual([]);
  expect(sharedWords(["document", "merchant", "date", "total"])).toBe("same document; same merchant, date, total");
});

it("a list of objects is a table, and nothing else is", () => {
  expect(tableOf([{ what: "Tea", amount: "1.00" }, { what: "Cake", note: "two" }])?.columns).toEqual(["what", "amount", "note"]);
  for (const value of [null, "Tea", [], ["Tea"], [{ what: "Tea" }, "Cake"], { what: "Tea" }]) expect(tableOf(value)).toBeNull();
});
