const UNITS: [string, number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/** Give a length of time in its two largest units: "2 d 3 h", "45 s", "120 ms". */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  const found = UNITS.findIndex(([, size]) => ms >= size);
  const [name, size] = UNITS[found]!;
  const whole = Math.floor(ms / size);
  const next = UNITS[found + 1];
  if (!next) return `${whole} ${name}`;
  const rest = Math.floor((ms - whole * size) / next[1]);
  return rest ? `${whole} ${name} ${rest} ${next[0]}` : `${whole} ${name}`;
}

/** Give how long ago (or ahead) a time is, in its largest unit. */
export function relative(at: number, now: number): string {
  const ms = Math.abs(now - at);
  if (ms < 10_000) return "now";
  const [name, size] = UNITS.find(([, unit]) => ms >= unit)!;
  const said = `${Math.floor(ms / size)} ${name}`;
  return at <= now ? `${said} ago` : `in ${said}`;
}

/** Turn a time of the reader's zone, as inputs have it, into what the API takes; nothing where it is none. */
export function toUtc(local: string): string | undefined {
  const date = new Date(local);
  return local && !Number.isNaN(date.getTime()) ? date.toISOString() : undefined;
}

/** The other way round, to the second; empty where it is none. */
export function toLocal(utc: string | undefined): string {
  const date = new Date(utc ?? "");
  if (Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** Give what was typed as a calendar takes it, a day or a time of one; null where it is neither. */
export function dayOf(typed: string, withTime: boolean): string | null {
  const [, day, time = "00:00:00"] = typed.trim().match(/^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?))?$/) ?? [];
  if (!day || new Date(`${day}T00:00:00Z`).toJSON()?.slice(0, 10) !== day) return null; // no 30th of February
  return withTime ? `${day} ${time.padEnd(8, ":00")}` : day;
}
