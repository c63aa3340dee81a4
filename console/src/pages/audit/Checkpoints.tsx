/** Signed checkpoints with who witnessed them, whether each continues another, and the keys that sign them. */
import { Alert, Badge, Button, Code, CopyButton, Group, Stack, Table, Text, TextInput } from "@mantine/core";
import { IconAlertTriangle, IconShieldCheck } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { auditKeysQuery } from "../../api/queries";
import { signedBy, verifyConsistency } from "../../lib/merkle";
import { Holds } from "../../parts/AuditRecord";
import { ProblemAlert } from "../../parts/Broken";
import { Loading } from "../../parts/Loading";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";
import { More } from "../../parts/More";

type Checkpoint = Schemas["AuditCheckpoint"];

export function Checkpoints() {
  const found = useInfiniteQuery({
    queryKey: ["audit-checkpoints"],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => data(api.GET("/v1/audit/checkpoints", { params: { query: { limit: 25, cursor: pageParam } } })),
    getNextPageParam: (last: Schemas["AuditCheckpointPage"]) => last.next_cursor ?? undefined,
  });
  if (found.isError) return <ProblemAlert error={found.error} retry={() => void found.refetch()} />;
  if (!found.data) return <Loading what="The list of checkpoints" height={240} />;
  const items = found.data.pages.flatMap((page) => page.items);
  if (items.length === 0) return <Text c="dimmed">There is no checkpoint yet; the first comes within a second of the first record.</Text>;
  return (
    <Stack gap="md">
      <Consistency newest={items[0]!} oldest={items.at(-1)!} />
      <Wide label="Checkpoints of the log">
        <Table aria-label="Checkpoints" miw={620}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Records</Table.Th>
              <Table.Th>Root</Table.Th>
              <Table.Th>At</Table.Th>
              <Table.Th>Witnesses</Table.Th>
              <Table.Th>Signature</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {items.map((one) => (
              <Table.Tr key={one.size}>
                <Table.Td>{one.size}</Table.Td>
                <Table.Td>
                  <Code>{one.root.slice(0, 16)}…</Code>
                </Table.Td>
                <Table.Td>
                  <Time at={one.at} />
                </Table.Td>
                <Table.Td>{one.witnesses?.length ? one.witnesses.join(", ") : <span className="quiet">none yet</span>}</Table.Td>
                <Table.Td>
                  <Signed checkpoint={one} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
      <More of={found}>Older checkpoints</More>
    </Stack>
  );
}

function Signed({ checkpoint }: { checkpoint: Checkpoint }) {
  const verdict = useQuery({
    queryKey: ["signed", checkpoint.note],
    staleTime: Infinity,
    queryFn: async ({ client }) => {
      const keys = await client.fetchQuery(auditKeysQuery);
      const signed = await Promise.all(keys.items.map((key) => signedBy(checkpoint.note, key.verifier_key)));
      return signed.includes(true);
    },
  });
  if (verdict.isError) return <Badge variant="light" color="orange" tt="none">not checked</Badge>; // prettier-ignore
  return verdict.data === undefined ? null : <Holds holds={verdict.data} />;
}

const digits = (text: string): string => text.replace(/\D/g, "").slice(0, 15);

/** Verify here that the newer of two checkpoints continues the older one. */
function Consistency({ newest, oldest }: { newest: Checkpoint; oldest: Checkpoint }) {
  const client = useQueryClient();
  const [from, setFrom] = useState(String(oldest.size));
  const [to, setTo] = useState(String(newest.size));
  const check = useMutation({
    mutationFn: async () => {
      const [proof, keys] = await Promise.all([
        data(api.GET("/v1/audit/proofs", { params: { query: { from: Number(from), to: Number(to) } } })),
        client.fetchQuery(auditKeysQuery),
      ]);
      return verifyConsistency(proof, keys.items.map((key) => key.verifier_key));
    },
  });
  const verdict = check.data;
  return (
    <Stack gap="xs">
      <form
        aria-label="Compare two checkpoints"
        onSubmit={(event) => {
          event.preventDefault();
          check.mutate();
        }}
      >
        <Group align="end" gap="sm">
          <TextInput label="From size" size="xs" inputMode="numeric" value={from} onChange={(event) => setFrom(digits(event.currentTarget.value))} w={120} />
          <TextInput label="To size" size="xs" inputMode="numeric" value={to} onChange={(event) => setTo(digits(event.currentTarget.value))} w={120} />
          <Button type="submit" size="xs" loading={check.isPending} disabled={!Number(from) || !Number(to)}>
            Verify that nothing was changed in between
          </Button>
        </Group>
      </form>
      {check.isError && <ProblemAlert error={check.error} />}
      {verdict && (
        <Alert
          role="status"
          color={verdict.holds ? "teal" : "red"}
          icon={verdict.holds ? <IconShieldCheck aria-hidden /> : <IconAlertTriangle aria-hidden />}
          title={verdict.holds ? "The one continues the other" : "It does not hold"}
        >
          {verdict.why}
        </Alert>
      )}
    </Stack>
  );
}

export function Keys() {
  const keys = useQuery(auditKeysQuery);
  if (keys.isError) return <ProblemAlert error={keys.error} retry={() => void keys.refetch()} />;
  if (!keys.data) return <Loading what="The list of keys" height={120} />;
  return (
    <Stack gap="sm">
      <Text size="sm">
        The log is named <Code>{keys.data.origin}</Code>. Compare its first key with the one you were given when it was set up: everything here is verified by it and those that it introduced.
      </Text>
      {keys.data.items.map((key) => (
        <Stack key={key.number} gap={4}>
          <Group gap="sm">
            <Text size="sm" fw={600}>
              Key {key.number}
            </Text>
            <Text size="sm" c="dimmed">
              {key.to_size === null ? `signs from ${key.from_size} records on` : `signed from ${key.from_size} to ${key.to_size} records`}
              {key.introduction === null ? ", the first" : ", introduced by the one before"}
            </Text>
            <CopyButton value={key.verifier_key}>
              {({ copied, copy }) => (
                <Button size="compact-xs" variant="default" onClick={copy}>
                  {copied ? "Copied" : "Copy"}
                </Button>
              )}
            </CopyButton>
          </Group>
          <Text size="sm" className="mono">
            {key.verifier_key}
          </Text>
        </Stack>
      ))}
    </Stack>
  );
}
