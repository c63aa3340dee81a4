/** Taking back what was answered last, from wherever one has gone on to. */
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { reviewQuery } from "../../api/queries";
import type { InboxFilter } from "../../lib/inbox";
import { each } from "../../parts/Chosen";
import { takeBack } from "./answer";

const KEY = "interlock.answered"; // of this tab, so that a reload loses it not
const WITHIN_MS = 60_000; // later than that `u` means something else; the server alone says whether it is too late
interface Answered {
  ids: string[]; // several where they were answered together
  at: number;
  search: InboxFilter & { view?: string }; // what the inbox was narrowed to
}

/** Remember which reviews were answered last, and from where: `u` takes that back. */
export function remember(ids: string[], search: Answered["search"]): void {
  sessionStorage.setItem(KEY, JSON.stringify({ ids, search, at: Date.now() }));
}

function lastAnswered(): Answered | null {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Answered | null;
    return Array.isArray(found?.ids) && Date.now() - found.at < WITHIN_MS ? found : null;
  } catch {
    return null;
  }
}

/** Give how to take an answer back: the last one where none is named. It opens its review again; several that were given together are told. */
export function useUndo(): (reviewId?: string) => void {
  const client = useQueryClient();
  const navigate = useNavigate();
  const undo = useMutation({
    mutationFn: takeBack,
    onSuccess: (found) => {
      const last = lastAnswered();
      sessionStorage.removeItem(KEY);
      client.setQueryData(reviewQuery(found.id).queryKey, found);
      void client.invalidateQueries({ queryKey: ["reviews"] });
      notifications.hide(found.id);
      void navigate({ to: "/reviews/$reviewId", params: { reviewId: found.id }, search: last?.ids.includes(found.id) ? last.search : {} });
    },
    onError: (error) => notifications.show({ color: "orange", title: "It could not be taken back", message: error.message }),
  });
  const undoAll = useMutation({
    mutationFn: async (ids: string[]) => {
      sessionStorage.removeItem(KEY);
      await each(ids, "Taken back", (id) => id, takeBack);
      return client.invalidateQueries({ queryKey: ["reviews"] });
    },
  });
  return (reviewId) => {
    const wanted = reviewId ? [reviewId] : (lastAnswered()?.ids ?? []);
    if (undo.isPending || undoAll.isPending) return;
    if (wanted.length > 1) undoAll.mutate(wanted);
    else if (wanted[0]) undo.mutate(wanted[0]);
  };
}
