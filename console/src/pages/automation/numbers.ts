/** Numbers of an automation, in words. */
import type { Schemas } from "../../api/client";
import { duration } from "../../lib/time";

type Numbers = Schemas["AutomationNumbers"] | undefined;

export const share = (numbers: Numbers): string =>
  numbers?.succeeded ? `${Math.round((numbers.straight_through / numbers.succeeded) * 100)} %` : "–";
export const millis = (ms: number | null | undefined): string => (typeof ms === "number" ? duration(ms) : "–");
export const costPerTask = (numbers: Numbers): string => (numbers?.tasks ? `$${(Number(numbers.cost_usd) / numbers.tasks).toFixed(6)}` : "–");
