/** Give reviews to somebody: who could have the first of them is offered, and each is judged by itself. */
import { Autocomplete, Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schemas } from "../api/client";
import { ProblemAlert } from "./Broken";
import { each } from "./Chosen";
import { Dialog } from "./Dialog";

type Review = Pick<Schemas["ReviewSummary"], "id" | "request">;

const give = (review: Review, to: string) =>
  data(api.POST("/v1/reviews/{review_id}:assign", { params: { path: { review_id: review.id } }, body: { to } }));

/** Ask to whom, while there are reviews to give. One is given here, and what is wrong is told; many are told together. */
export function Assign({ reviews, onClose }: { reviews: Review[]; onClose: (done: boolean) => void }) {
  return (
    <Dialog opened={reviews.length > 0} onClose={() => onClose(false)} title={reviews.length === 1 ? "Give it to somebody" : `Give ${reviews.length} to somebody`}>
      {reviews[0] && <Inside key={reviews[0].id} first={reviews[0]} reviews={reviews} onClose={onClose} />}
    </Dialog>
  );
}

function Inside({ first, reviews, onClose }: { first: Review; reviews: Review[]; onClose: (done: boolean) => void }) {
  const client = useQueryClient();
  const [to, setTo] = useState("");
  const params = { path: { review_id: first.id } };
  const could = useQuery({ queryKey: ["assignees", first.id], retry: false, queryFn: () => data(api.GET("/v1/reviews/{review_id}/assignees", { params })) });
  const act = useMutation({
    mutationFn: async () => {
      const person = to.includes(":") ? to.trim() : `user:${to.trim()}`;
      if (reviews.length === 1) client.setQueryData(["review", first.id], await give(first, person));
      else await each(reviews, `Given to ${person}`, (review) => review.request.title, (review) => give(review, person)); // prettier-ignore
    },
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["reviews"] });
      onClose(true);
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (to.trim()) act.mutate();
      }}
    >
      <Stack>
        <Text size="sm">Nobody else can answer then, until it is released or given on. It is on record.</Text>
        <Autocomplete
          label="To"
          placeholder="user:…"
          data={(could.data?.items ?? []).filter((one) => one !== to)} // what is typed whole covers nothing
          value={to}
          onChange={setTo}
          data-autofocus
          comboboxProps={{ withinPortal: false, transitionProps: { duration: 0 } }}
          maxDropdownHeight={200}
        />
        {could.isError && <ProblemAlert error={could.error} />}
        {act.isError && <ProblemAlert error={act.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={() => onClose(false)}>
            Leave it
          </Button>
          <Button type="submit" loading={act.isPending} disabled={!to.trim()}>
            Give
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
