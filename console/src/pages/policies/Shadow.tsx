/** What sets that only look on would have answered otherwise. */
import { Button, Code, Group, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, data } from "../../api/client";
import { useSession } from "../../api/session";
import { ProblemAlert } from "../../parts/Broken";
import { Loading } from "../../parts/Loading";
import { State } from "../../parts/State";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";

export function Shadow({ shadow }: { shadow: number }) {
  const client = useQueryClient();
  const session = useSession();
  const found = useQuery({ queryKey: ["policies", "differences"], queryFn: () => data(api.GET("/v1/policies/differences")) });
  const stop = useMutation({
    mutationFn: () => data(api.POST("/v1/policies:stop-shadow")),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["policies"] }),
  });
  if (found.isError) return <ProblemAlert error={found.error} retry={() => void found.refetch()} />;
  if (!found.data) return <Loading what="The list of differences" height={160} />;
  return (
    <Stack gap="md">
      <Group gap="sm">
        <Text size="sm">{shadow > 0 ? `Set ${shadow} looks on: what it would answer otherwise is counted here, and decides nothing.` : "No set looks on now."}</Text>
        {shadow > 0 && session.may.includes("policy.propose") && (
          <Button size="xs" variant="default" onClick={() => stop.mutate()} loading={stop.isPending}>
            Let nothing look on
          </Button>
        )}
      </Group>
      {stop.isError && <ProblemAlert error={stop.error} />}
      {found.data.items.length === 0 && <Text c="dimmed">No difference was seen.</Text>}
      {found.data.items.length > 0 && (
        <Wide label="Differences of sets that look on">
          <Table aria-label="Differences" miw={720}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Set</Table.Th>
                <Table.Th>Action</Table.Th>
                <Table.Th>Answered</Table.Th>
                <Table.Th>Would be</Table.Th>
                <Table.Th>Times</Table.Th>
                <Table.Th>Last</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {found.data.items.map((one) => (
                <Table.Tr key={[one.set_number, one.action, one.answer, one.would_be, ...one.reasons, "/", ...one.would_be_reasons].join(" ")}>
                  <Table.Td>{one.set_number}</Table.Td>
                  <Table.Td className="mono">{one.action}</Table.Td>
                  <Table.Td>
                    <Answer answer={one.answer} reasons={one.reasons} />
                  </Table.Td>
                  <Table.Td>
                    <Answer answer={one.would_be} reasons={one.would_be_reasons} />
                  </Table.Td>
                  <Table.Td>{one.count}</Table.Td>
                  <Table.Td>
                    <Time at={one.last_at} ago />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Wide>
      )}
    </Stack>
  );
}

function Answer({ answer, reasons }: { answer: string; reasons: string[] }) {
  return (
    <Group gap={4}>
      <State state={answer} />
      {reasons.map((id) => (
        <Code key={id}>{id}</Code>
      ))}
    </Group>
  );
}
