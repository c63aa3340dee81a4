/** A change that somebody proposed: its files and what it would change, for the other person who decides on it. */
import { Alert, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { policySetQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import { ProblemAlert } from "../../parts/Broken";
import { Time } from "../../parts/Time";
import { Editor } from "./Editor";
import { Impact } from "./Impact";

export function Pending({ change }: { change: Schemas["PolicyChange"] }) {
  const client = useQueryClient();
  const session = useSession();
  const [reason, setReason] = useState("");
  const [open, setOpen] = useState(false);
  const set = useQuery({ ...policySetQuery(change.set_number), enabled: change.set_number > 0 });
  const diff = useMutation({ mutationFn: (files: Record<string, string>) => data(api.POST("/v1/policies/diff", { params: { query: { prove: true } }, body: { files } })) });
  const decide = useMutation({
    mutationFn: (verb: "approve" | "reject") => {
      const params = { path: { number: change.number } };
      return verb === "approve"
        ? data(api.POST("/v1/policies/changes/{number}:approve", { params }))
        : data(api.POST("/v1/policies/changes/{number}:reject", { params, body: { reason } }));
    },
    onSuccess: (_, verb) => {
      notifications.show({ color: "teal", title: verb === "approve" ? "It is in force" : "Turned down", message: `Set ${change.set_number}` });
      void client.invalidateQueries({ queryKey: ["policies"] });
    },
  });
  const decides = session.may.includes("policy.approve");
  return (
    <Alert role="region" color="yellow" title={`Set ${change.set_number} is proposed${change.mode === "shadow" ? ", to look on" : ""}`}>
      <Stack gap="sm">
        <Text size="sm">
          By {change.asked_by}, <Time at={change.asked_at} ago />. {set.data?.note}
        </Text>
        {open && set.data && <Editor files={set.data.files} readOnly />}
        {diff.isError && <ProblemAlert error={diff.error} />}
        {diff.data && <Impact impact={diff.data} />}
        {decide.isError && <ProblemAlert error={decide.error} />}
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={() => setOpen(!open)} aria-expanded={open}>
            {open ? "Hide its files" : "Its files"}
          </Button>
          {session.may.includes("policy.ask") && set.data && (
            <Button size="xs" variant="default" onClick={() => diff.mutate(set.data.files)} loading={diff.isPending}>
              What would this set change?
            </Button>
          )}
          {decides && (
            <Button size="xs" onClick={() => decide.mutate("approve")} loading={decide.isPending && decide.variables === "approve"}>
              Approve
            </Button>
          )}
        </Group>
        {decides && (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              decide.mutate("reject");
            }}
          >
            <Group gap="xs">
              <TextInput aria-label="Why it is turned down" placeholder="Why it is turned down" size="xs" value={reason} onChange={(event) => setReason(event.currentTarget.value)} maxLength={2000} />
              <Button type="submit" size="xs" variant="default" disabled={!reason.trim()} loading={decide.isPending && decide.variables === "reject"}>
                Turn down
              </Button>
            </Group>
          </form>
        )}
      </Stack>
    </Alert>
  );
}
