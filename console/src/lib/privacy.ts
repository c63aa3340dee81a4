/** What was removed before it left, as a timeline records it: kinds and places, never a value. */
import type { Schemas } from "../api/client";

export interface Removed {
  effect: string;
  type: string;
  where: string;
  count: number;
}

export function removedIn(effects: Pick<Schemas["TimelineEffect"], "id" | "redactions">[]): Removed[] {
  return effects.flatMap(({ id, redactions = [] }) =>
    redactions.map((one) => {
      const { type, pointer, document, page, box, count } = one as Record<string, unknown>;
      const places = [
        typeof pointer === "string" ? pointer || "the whole value" : null,
        typeof document === "string" ? document : null,
        typeof page === "number" ? `page ${page}` : null,
        Array.isArray(box) ? `at ${box.map((edge) => `${Math.round(Number(edge) * 100)} %`).join(", ")}` : null,
      ];
      return { effect: id, type: String(type ?? "unknown"), where: places.filter(Boolean).join(", ") || "not said", count: typeof count === "number" ? count : 1 };
    }),
  );
}

/** Tell whether somebody typed the very person that they are about to erase. */
export const confirms = (typed: string, subject: string): boolean => typed.trim() === subject;
