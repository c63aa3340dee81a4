/** Saying that failed, blocked or cancelled tasks are dealt with, and taking it back. */
import { api, data } from "../api/client";
import type { Question } from "./Ask";

export const RESOLVABLE = ["failed", "blocked", "cancelled"];

export const resolveOne = (id: string, note: string) =>
  data(api.POST("/v1/tasks/{task_id}:resolve", { params: { path: { task_id: id } }, body: { note } }));

export const reopenOne = (id: string) => data(api.POST("/v1/tasks/{task_id}:reopen", { params: { path: { task_id: id } } }));

/** Ask why nobody needs to look at them any more. */
export const whyResolved = (title: string, renews: string, act: (note: string) => Promise<unknown>): Question => ({
  title,
  says: "It counts no more as something to look at. Who said so, when and why stands on record; a retry clears it.",
  verb: "Mark as resolved",
  schema: {
    type: "object",
    required: ["note"],
    properties: { note: { type: "string", title: "Why", minLength: 1, maxLength: 4_000 } },
  },
  renews,
  act: (value) => act((value as { note: string }).note),
});
