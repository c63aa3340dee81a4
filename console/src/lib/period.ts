/** Since when and until when, as an address and a kept view have them: a time, or how long ago ("24h", "7d"), which moves along. Pure. */
const UNITS = { h: 3_600_000, d: 86_400_000 } as const;
const AGO = /^([1-9]\d{0,3})([hd])$/;

/** Read one end of a period; nothing where it is no time. */
export function readEnd(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  if (AGO.test(value)) return value;
  const at = new Date(value);
  return /^\d{4}-/.test(value) && !Number.isNaN(at.getTime()) ? at.toISOString() : undefined;
}

/** Give an end as a time, to the minute where it moves along, so that what is asked does not change with every look. */
export function timeOf(end: string | undefined, now: number): string | undefined {
  const [, count, unit] = end?.match(AGO) ?? [];
  if (!count) return end;
  const at = now - Number(count) * UNITS[unit as keyof typeof UNITS];
  return new Date(Math.floor(at / 60_000) * 60_000).toISOString();
}

/** Say an end in words, `written` being how the reader's zone writes a time. */
export function endWords(end: string, written: (at: Date) => string): string {
  const [, count, unit] = end.match(AGO) ?? [];
  if (!count) return written(new Date(end));
  const name = unit === "h" ? "hour" : "day";
  return count === "1" ? `the last ${name}` : `the last ${count} ${name}s`;
}

/** Say a period in words. */
export function periodWords(since: string | undefined, until: string | undefined, written: (at: Date) => string): string {
  if (!since && !until) return "Any time";
  if (!since) return `Before ${endWords(until!, written)}`;
  const from = AGO.test(since) ? `In ${endWords(since, written)}` : `Since ${endWords(since, written)}`;
  return until ? `${from}, before ${endWords(until, written)}` : from;
}
