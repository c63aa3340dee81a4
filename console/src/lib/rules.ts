/** The rules beside a field: what its form allows, what policies said of it, and how sure a reading is called. Pure. */
import type { Schemas } from "../api/client";
import type { Field } from "./review";

export interface Rule {
  says: string;
  holds: boolean; // false: it is broken
  policy: string | null; // null: the form's own
}

/** What a field's form allows, held against a value as it is written. An empty value breaks only that it has to be given. */
export function limitRules(field: Field, text: string): Rule[] {
  const rules: Rule[] = [];
  const own = (says: string, holds: boolean) => rules.push({ says, holds: text === "" || holds, policy: null });
  const { minimum, above, maximum, length } = field.limits;
  if (field.required && !field.nullable) rules.push({ says: "has to be given", holds: text !== "", policy: null });
  if (field.kind === "date") own("a day, as 2018-03-04", isDay(text));
  if (field.kind === "number") own("an amount, as 12.30", /^-?\d+(\.\d+)?$/.test(text));
  if (above !== null) own(`more than ${above}`, Number(text) > above);
  if (minimum !== null) own(`at least ${minimum}`, Number(text) >= minimum);
  if (maximum !== null) own(`at most ${maximum}`, Number(text) <= maximum);
  if (length !== null) own(`at most ${length} characters`, [...text].length <= length);
  if (field.kind === "text" && field.pattern) own(field.description || `written like ${field.pattern}`, new RegExp(field.pattern, "u").test(text));
  if (field.kind === "choice") own(`one of ${field.choices.join(", ")}`, field.choices.includes(text));
  return rules;
}

/** Tell whether a text is a day that there is. */
function isDay(text: string): boolean {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00Z`) : null;
  return at !== null && !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
}

/** What policies looked at for a field before a person was asked: a forbid that decided is broken, one that did not holds. */
export function policyRules(rules: Schemas["ReviewRules"] | undefined, field: string): Rule[] {
  return (rules?.rules ?? [])
    .filter((rule) => rule.effect === "forbid" && rule.fields.includes(field))
    .map((rule) => ({ says: rule.reason, holds: !rule.decided, policy: rule.id }))
    .sort((one, other) => Number(one.holds) - Number(other.holds));
}

/** Say what is wrong with a value as it was typed, "" where nothing is. The server judges again. */
export function problemOf(field: Field, text: string): string {
  const broken = limitRules(field, text).find((rule) => !rule.holds);
  return broken ? `It has to be ${broken.says.replace(/^has to be /, "")}.` : "";
}

export type Band = "High" | "Medium" | "Low" | "Unread";

/** Name how sure a reading is, by what its automation calls so; null where it names nothing. */
export function band(confidence: number | null, bands: Schemas["ConfidenceBands"] | null | undefined): Band | null {
  if (confidence === null) return "Unread";
  if (!bands) return null;
  if (confidence >= bands.high) return "High";
  return confidence >= bands.medium ? "Medium" : "Low";
}
