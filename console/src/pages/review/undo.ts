/** Taking back what was answered last, from wherever one has gone on to. */
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { reviewQuery } from "../../api/queries";
import { takeBack } from "./answer";

let lastAnswered: string | null = null;

/** Remember which review was answered last: `u` takes that back. */
export function remember(reviewId: string): void {
  lastAnswered = reviewId;
}

/** Give how to take an answer back: the last one where none is named. It opens its review again. */
export function useUndo(): (reviewId?: string) => void {
  const client = useQueryClient();
  const navigate = useNavigate();
  const undo = useMutation({
    mutationFn: takeBack,
    onSuccess: (found) => {
      lastAnswered = null;
      client.setQueryData(reviewQuery(found.id).queryKey, found);
      void client.invalidateQueries({ queryKey: ["reviews"] });
      notifications.hide(found.id);
      void navigate({ to: "/reviews/$reviewId", params: { reviewId: found.id } });
    },
    onError: (error) => notifications.show({ color: "orange", title: "It could not be taken back", message: error.message }),
  });
  return (reviewId) => {
    const wanted = reviewId ?? lastAnswered;
    if (wanted && !undo.isPending) undo.mutate(wanted);
  };
}
