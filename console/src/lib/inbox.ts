/** What the inbox is narrowed to: as it stands in the address and in kept views, and as the API is asked. Pure. */
import type { Schemas } from "../api/client";
import { HOUR, said, wordsOf } from "./words";

export const QUEUES = ["open", "mine", "unassigned", "done"] as const;
export const RISKS = ["high", "medium", "low"] as const;
export const DUE = { hour: HOUR, day: 24 * HOUR, week: 7 * 24 * HOUR } as const;
export const ORDERS = ["oldest", "newest", "due"] as const;
export type Queue = (typeof QUEUES)[number];

export interface InboxFilter {
  queue?: Queue;
  find?: string;
  automation?: string;
  role?: string;
  risk?: Schemas["ReviewSummary"]["risk"];
  person?: string;
  due?: keyof typeof DUE;
  order?: (typeof ORDERS)[number];
}

/** Read what stands in an address or a view. What is no filter is undefined, and not left out: else the address itself would be taken. */
export function readInbox(search: Record<string, unknown>): InboxFilter {
  return {
    queue: QUEUES.find((one) => one === search.queue),
    find: wordsOf(search.find),
    automation: wordsOf(search.automation),
    role: wordsOf(search.role),
    risk: RISKS.find((one) => one === search.risk),
    person: wordsOf(search.person),
    due: (Object.keys(DUE) as (keyof typeof DUE)[]).find((one) => one === search.due),
    order: ORDERS.find((one) => one === search.order),
  };
}

const STATES = {
  open: { state: "open" },
  mine: { state: "open", assignee: "me" },
  unassigned: { state: "open", assignee: "none" },
  done: { state: "answered", order: "newest" },
} as const;

/** Give what the API is asked with. */
export function askedOf({ queue = "open", due, ...rest }: InboxFilter) {
  return { ...STATES[queue], ...rest, ...(due ? { due_within: DUE[due] } : {}) };
}

/** Count what narrows, beside the queue and the order. */
export const narrowing = ({ queue: _queue, order: _order, ...rest }: InboxFilter): number => Object.keys(said(rest)).length;
