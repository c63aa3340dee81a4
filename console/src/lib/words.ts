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

const WORDS_MAX = 256; // characters, as the API takes them
const UNWRITTEN = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]+/gu; // what nobody types, and no filter can be

/** Read words out of an address, or as they are typed; nothing where there are none. Of digits alone the router makes a number. */
export function wordsOf(value: unknown): string | undefined {
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") return undefined;
  const words = String(value).replace(UNWRITTEN, " ").slice(0, WORDS_MAX);
  return words.trim() ? words : undefined; // a space at the end stays: one goes on typing
}
