/** The keys of the pages, and those that a reader has put in their place on this device. Pure. */
export type KeyMap = Readonly<Record<string, string>>;

/** What keys do, by where: the names of the keys, and what they do. A single letter may be moved. */
export const KEYS: [string, [string[], string][]][] = [
  ["Everywhere", [[["Ctrl", "K"], "Search and commands"], [["?"], "This sheet"], [["/"], "Find on the page"]]],
  ["Inbox", [[["j"], "Next"], [["k"], "Previous"], [["Enter"], "Open"], [["x"], "Select"], [["a"], "Approve what is selected"], [["g"], "Give what is selected to somebody"], [["u"], "Undo, within 5 s"], [["Esc"], "Select nothing"]]],
  [
    "Review",
    [
      [["a"], "Approve and go on"], [["r"], "Reject"], [["e"], "Edit the field"], [["↑", "↓"], "Another field"],
      [["1…9"], "That field, or that option"], [["Ctrl", "Enter"], "Finish and go on"], [["j"], "Next review"], [["k"], "Previous review"],
      [["c"], "Claim or release"], [["g"], "Give it to somebody"], [["u"], "Undo, within 5 s"], [["+"], "Larger"], [["−"], "Smaller"], [["o"], "Turn the page"],
      [["t"], "Its text, or its picture"], [["d"], "Beside what was approved before"], [["Esc"], "Back to the inbox"],
    ],
  ],
]; // prettier-ignore

export const movable = (key: string): boolean => /^[a-z]$/.test(key);

const LETTERS = [...new Set(KEYS.flatMap(([, keys]) => keys.flatMap(([names]) => names.filter(movable))))];

/** Give the key that stands in the place of one. */
export const ownKey = (map: KeyMap, key: string): string => (movable(key) ? (map[key] ?? key) : key);

/** Why a key cannot take another's place; null where it can. */
export function refusal(map: KeyMap, key: string, wanted: string): string | null {
  if (!movable(wanted)) return "Take a letter from a to z.";
  const taken = LETTERS.find((one) => one !== key && ownKey(map, one) === wanted);
  if (taken === undefined) return null;
  const [, keys] = KEYS.find(([, all]) => all.some(([names]) => names.includes(taken)))!;
  return `${wanted} is taken: ${keys.find(([names]) => names.includes(taken))![1]}.`;
}

/** Put a key in another's place; its own leaves no trace. */
export function moved(map: KeyMap, key: string, wanted: string): KeyMap {
  const { [key]: _, ...others } = map;
  return wanted === key ? others : { ...others, [key]: wanted };
}

/** Read what this device keeps; whatever does not fit is left out, so that no two keys do the same. */
export function readMap(kept: unknown): KeyMap {
  let map: KeyMap = {};
  for (const [key, wanted] of Object.entries(typeof kept === "object" && kept !== null ? kept : {})) {
    if (LETTERS.includes(key) && typeof wanted === "string" && movable(wanted)) map = moved(map, key, wanted);
  }
  const used = LETTERS.map((key) => ownKey(map, key));
  return new Set(used).size === used.length ? map : {};
}
