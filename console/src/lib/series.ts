/** Numbers over time, put as the charts show them. Pure. */
import type { Schemas } from "../api/client";

/** Name an hour in the reader's zone, or a day of UTC. */
export function labelOf(at: string, bucket: "hour" | "day", locale?: string, zone?: string): string {
  const form: Intl.DateTimeFormatOptions =
    bucket === "day" ? { month: "short", day: "numeric", timeZone: "UTC" } : { weekday: "short", hour: "2-digit", minute: "2-digit", timeZone: zone };
  return new Intl.DateTimeFormat(locale, form).format(new Date(at));
}

/** How many of a hundred went straight through, of those that succeeded; null where none did. */
export function shareOf(part: Pick<Schemas["SeriesPart"], "succeeded" | "straight_through">): number | null {
  return part.succeeded ? Math.round((100 * part.straight_through) / part.succeeded) : null;
}
