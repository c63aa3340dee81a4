/** Live updates: one event stream, which makes what it speaks of be read anew. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

const PAUSE_MS = 250; // many events at once are one look

/** Follow the tenant's events while mounted; gives false while the stream is broken. Who may not follow them has none, and misses none. */
export function useLive(may: boolean): boolean {
  const client = useQueryClient();
  const [open, setOpen] = useState(true);
  useEffect(() => {
    if (!may) return;
    const tasks = new Set<string>();
    let timer = 0;
    const look = () => {
      timer = 0;
      for (const id of tasks) void client.invalidateQueries({ queryKey: ["task", id] });
      tasks.clear();
      for (const key of ["tasks", "reviews", "today", "elevations"]) void client.invalidateQueries({ queryKey: [key] });
    };
    const source = new EventSource("/v1/events");
    source.onopen = () => setOpen(true);
    source.onerror = () => setOpen(false);
    const heard = (event: MessageEvent<string>) => {
      const said = JSON.parse(event.data) as { task_id?: string };
      if (said.task_id) tasks.add(said.task_id);
      timer ||= window.setTimeout(look, PAUSE_MS);
    };
    for (const type of TYPES) source.addEventListener(type, heard);
    source.onmessage = heard;
    return () => {
      source.close();
      window.clearTimeout(timer);
    };
  }, [client, may]);
  return open;
}

const TYPES = [
  "task.accepted", "task.effect", "task.waiting", "task.blocked", "task.succeeded", "task.failed", "task.cancelled",
  "task.cancel_requested", "task.retried", "task.unblocked", "task.resolved", "task.reopened",
  "review.opened", "review.claimed", "review.assigned", "review.released", "review.answered", "review.approved", "review.revoked",
  "review.escalated", "review.expired", "review.asked", "review.replied", "review.cancelled", "review.lapsed",
  "elevation.opened", "elevation.ended", "elevation.ran-out", "elevation.acknowledged",
]; // prettier-ignore
