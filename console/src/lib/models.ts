/** What may be done with a model version in which state, as its life says; whether somebody may is the policy's to say. */
import type { Schemas } from "../api/client";

type State = Schemas["ModelVersionSummary"]["state"];
export type Verb = "approve" | "release" | "reject" | "retire" | "rollback";

const STEPS: Record<State, Verb[]> = {
  registered: ["reject"],
  evaluated: ["approve", "reject"],
  approved: ["release", "reject"],
  released: ["retire", "rollback"],
  retired: ["release"],
  rejected: [],
};

export const stepsOf = (state: State): Verb[] => STEPS[state];

export const LIFE: State[] = ["registered", "evaluated", "approved", "released", "retired"];

type Plain = string | number | boolean;

/** Give the plain entries of a part of a card, such as what was measured; what is nested is shown elsewhere. */
export function plainEntries(value: unknown): [string, Plain][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  return Object.entries(value).filter((entry): entry is [string, Plain] => ["string", "number", "boolean"].includes(typeof entry[1]) && entry[1] !== "");
}

/** Say what a version was made from: the name of each set of data, with what is known of it. */
export function dataOf(provenance: unknown): string[] {
  const found = (provenance as { data?: unknown } | null | undefined)?.data;
  if (!Array.isArray(found)) return [];
  return found.map((one) => {
    const { name, version, licence, sha256 } = one as Record<string, unknown>;
    return [name, version, licence && `licence ${String(licence)}`, sha256 && `SHA-256 ${String(sha256).slice(0, 16)}…`].filter(Boolean).join(", ");
  });
}
