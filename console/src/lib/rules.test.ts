import { describe, expect, it } from "vitest";
import type { Schemas } from "../api/client";
import { fieldsOf, type Review } from "./review";
import { band, limitRules, policyRules } from "./rules";

const money = { anyOf: [{ type: "number", exclusiveMinimum: 0 }, { type: "string", pattern: "^x$" }, { type: "null" }] };
const review = {
  values: { total: "12.30" },
  request: {
    evidence: {},
    form: {
      required: ["name"],
      properties: {
        total: money,
        date: { anyOf: [{ type: "string", format: "date" }, { type: "null" }] },
        currency: { type: "string", pattern: "^[A-Z]{3}$", description: "ISO 4217" },
        name: { type: "string", maxLength: 3 },
      },
    },
  },
} as unknown as Review;
const [total, date, currency, name] = fieldsOf(review);

const broken = (field: typeof total, text: string) => limitRules(field!, text).filter((rule) => !rule.holds).map((rule) => rule.says);

describe("the form's own rules", () => {
  it("know amounts, days, patterns, lengths and what has to be given", () => {
    expect(broken(total, "0")).toEqual(["more than 0"]);
    expect(broken(total, "12,3")).toEqual(["an amount, as 12.30", "more than 0"]);
    expect(broken(total, "12.30")).toEqual([]);
    expect(broken(date, "2026-02-30")).toEqual(["a day, as 2018-03-04"]);
    expect(broken(date, "2026-02-28")).toEqual([]);
    expect(broken(date, "")).toEqual([]);
    expect(broken(currency, "eur")).toEqual(["ISO 4217"]);
    expect(broken(name, "four")).toEqual(["at most 3 characters"]);
    expect(broken(name, "")).toEqual(["has to be given"]);
  });
});

describe("what policies said of a field", () => {
  const rule = (id: string, decided: boolean, fields: string[], effect = "forbid") => ({ id, effect, reason: `${id}.`, fields, decided, text: null });
  const rules = { rules: [rule("old", false, ["date"]), rule("dear", true, ["total", "date"]), rule("may", true, ["total"], "permit")] } as unknown as Schemas["ReviewRules"];
  it("comes broken first, and a permit breaks nothing", () => {
    expect(policyRules(rules, "date")).toEqual([{ says: "dear.", holds: false, policy: "dear" }, { says: "old.", holds: true, policy: "old" }]);
    expect(policyRules(rules, "total").map((one) => one.policy)).toEqual(["dear"]);
    expect(policyRules(undefined, "total")).toEqual([]);
  });
});

describe("how sure a reading is called", () => {
  const bands = { high: 0.96, medium: 0.7 };
  it("is what the automation says", () => {
    expect([0.96, 0.95, 0.7, 0.69, null].map((one) => band(one, bands))).toEqual(["High", "Medium", "Medium", "Low", "Unread"]);
    expect(band(0.99, null)).toBeNull();
  });
});
