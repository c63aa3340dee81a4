/** Every change of what is in force, newest first, and the way back. */
import { Alert, Button, Group, Select, Stack, Table, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { policySetQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import { formerSets } from "../../lib/policies";
import { ProblemAlert } from "../../parts/Broken";
import { Dialog } from "../../parts/Dialog";
import { State } from "../../parts/State";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";
import { Editor } from "./Editor";

const nameOf = (set: number) => (set === 0 ? "none of one's own" : `set ${set}`);

export function History({ changes, active }: { changes: Schemas["PolicyChange"][]; active: number }) {
  const session = useSession();
  const [shown, setShown] = useState<number | null>(null);
  const former = formerSets(changes, active);
  return (
    <Stack gap="md">
      {session.may.includes("policy.rollback") && former.length > 0 && <Rollback former={former} active={active} />}
      {changes.length === 0 && <Text c="dimmed">Nothing was changed yet: what is shipped decides.</Text>}
      {changes.length > 0 && (
        <Wide label="Changes of the policies">
          <Table aria-label="Changes" miw={680}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Set</Table.Th>
                <Table.Th>What</Table.Th>
                <Table.Th>State</Table.Th>
                <Table.Th>Asked</Table.Th>
                <Table.Th>Decided</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {changes.map((one) => (
                <Table.Tr key={one.number}>
                  <Table.Td>
                    {one.set_number > 0 ? (
                      <Button size="compact-xs" variant="default" onClick={() => setShown(one.set_number)}>
                        Set {one.set_number}
                      </Button>
                    ) : (
                      "none"
                    )}
                  </Table.Td>
                  <Table.Td>{one.kind === "rollback" ? "rolled back" : one.mode === "shadow" ? "looks on" : "put in force"}</Table.Td>
                  <Table.Td>
                    <State state={one.state} />
                    {one.reason && (
                      <Text size="xs" c="dimmed">
                        {one.reason}
                      </Text>
                    )}
                  </Table.Td>
                  <Table.Td>
                    {one.asked_by}, <Time at={one.asked_at} ago />
                  </Table.Td>
                  <Table.Td>
                    {one.decided_by && one.decided_at && (
                      <>
                        {one.decided_by}, <Time at={one.decided_at} ago />
                      </>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Wide>
      )}
      <Dialog opened={shown !== null} onClose={() => setShown(null)} title={`Set ${shown ?? ""}`} size="xl">
        {shown !== null && <SetFiles number={shown} />}
      </Dialog>
    </Stack>
  );
}

function SetFiles({ number }: { number: number }) {
  const set = useQuery(policySetQuery(number));
  if (set.isError) return <ProblemAlert error={set.error} />;
  return set.data ? <Editor files={set.data.files} readOnly /> : null;
}

function Rollback({ former, active }: { former: number[]; active: number }) {
  const client = useQueryClient();
  const [to, setTo] = useState(String(former[0]));
  const [sure, setSure] = useState(false);
  const back = useMutation({
    mutationFn: () => data(api.POST("/v1/policies:rollback", { body: { to: Number(to) } })),
    onSuccess: (change) => {
      setSure(false);
      notifications.show({ color: "teal", title: "Rolled back", message: `In force: ${nameOf(change.set_number)}` });
      void client.invalidateQueries({ queryKey: ["policies"] });
    },
  });
  return (
    <Group gap="xs" align="end">
      <Select label="Go back to" size="xs" allowDeselect={false} value={to} onChange={(value) => setTo(value ?? to)} data={former.map((set) => ({ value: String(set), label: nameOf(set) }))} />
      <Button size="xs" variant="default" onClick={() => setSure(true)}>
        Roll back
      </Button>
      <Dialog opened={sure} onClose={() => setSure(false)} title="Roll back">
        <Stack gap="sm">
          <Alert color="orange" title={`From ${nameOf(active)} to ${nameOf(Number(to))}`}>
            It is in force within a second, without another person's approval, and on record under your name.
          </Alert>
          {back.isError && <ProblemAlert error={back.error} />}
          <Button onClick={() => back.mutate()} loading={back.isPending}>
            Roll back now
          </Button>
        </Stack>
      </Dialog>
    </Group>
  );
}
