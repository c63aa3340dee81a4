/** Names with values, as addresses and kept views have them. Pure. */
export const HOUR = 3_600; // seconds
export type Words = Record<string, string | undefined>;

/** Give those that have a value. */
export const said = (words: object): Record<string, string> =>
  Object.fromEntries(Object.entries(words).filter((pair): pair is [string, string] => typeof pair[1] === "string" && pair[1] !== ""));

/** Tell whether two say the same. */
export function same(one: object, other: object): boolean {
  const flat = (words: object) => JSON.stringify(Object.entries(said(words)).sort(([a], [b]) => (a < b ? -1 : 1)));
  return flat(one) === flat(other);
}
