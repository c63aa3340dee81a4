/** The usual path of an automation: which effects its tasks performed, in which order, how often and how long. Pure. */
import type { Schemas } from "../api/client";

export interface Stop {
  name: string;
  kind: string;
  tasks: number; // that performed it
  share: number; // of the tasks looked at, 0 to 1
  bad: number; // tasks in which it was refused, failed or expired
  ms: number | null; // the median of how long it took
}

const BAD = ["failed", "denied", "expired"];

export function usualPath(timelines: readonly Schemas["Timeline"][]): Stop[] {
  const found = new Map<string, { name: string; kind: string; places: number[]; took: number[]; tasks: number; bad: number }>();
  for (const { effects } of timelines) {
    const here = new Set<string>();
    const wrong = new Set<string>();
    effects.forEach((effect, place) => {
      const key = `${effect.kind}:${effect.name}`;
      const stop = found.get(key) ?? { name: effect.name, kind: effect.kind, places: [], took: [], tasks: 0, bad: 0 };
      found.set(key, stop);
      if (!here.has(key)) stop.places.push(place); // one that comes again counts where it came first
      here.add(key);
      if (BAD.includes(effect.status)) wrong.add(key);
      if (typeof effect.duration_ms === "number") stop.took.push(effect.duration_ms);
    });
    for (const key of here) found.get(key)!.tasks++;
    for (const key of wrong) found.get(key)!.bad++;
  }
  return [...found.values()]
    .sort((a, b) => mean(a.places) - mean(b.places) || a.name.localeCompare(b.name))
    .map(({ name, kind, took, tasks, bad }) => ({ name, kind, tasks, bad, share: tasks / timelines.length, ms: median(took) }));
}

const mean = (numbers: number[]) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

function median(numbers: number[]): number | null {
  if (numbers.length === 0) return null;
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
