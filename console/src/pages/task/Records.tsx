/** The audit records of a task, each verified here in the browser: from the record to the root that the log's key signed. */
import { Accordion, Badge, Button, Code, Group, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconShieldCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { api, ApiError, data, type Schemas } from "../../api/client";
import { type Verdict, verify } from "../../lib/merkle";
import { ProblemAlert } from "../../parts/Broken";
import { Json } from "../../parts/Json";
import { Time } from "../../parts/Time";

type Record_ = Schemas["AuditRecord"];
const keysQuery = { queryKey: ["audit-keys"], staleTime: 60_000, queryFn: () => data(api.GET("/v1/audit/keys")) };

export function Records({ taskId }: { taskId: string }) {
  const records = useQuery({
    queryKey: ["task", taskId, "records"],
    queryFn: () => data(api.GET("/v1/audit/records", { params: { query: { task_id: taskId, limit: 200 } } })),
  });
  if (records.isError) return <ProblemAlert error={records.error} retry={() => void records.refetch()} />;
  const items = records.data?.items ?? [];
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        Each record is checked by this page itself: its hash is followed to the root of the log, and the root's signature is checked with the log's key.
      </Text>
      {records.isSuccess && items.length === 0 && <Text>No record has its place in the log yet; that takes about a second.</Text>}
      <Accordion variant="contained" chevronPosition="left" multiple>
        {items.map((record) => (
          <Accordion.Item key={record.position} value={String(record.position)}>
            <Accordion.Control>
              <Group justify="space-between" wrap="nowrap" gap="sm">
                <Group gap="sm">
                  <Code>#{record.position}</Code>
                  <Text size="sm">{String(record.facts.kind)}</Text>
                  {typeof record.facts.effect === "string" && (
                    <Text size="sm" c="dimmed">
                      {record.facts.effect}
                    </Text>
                  )}
                </Group>
                <Verified record={record} />
              </Group>
            </Accordion.Control>
            <Accordion.Panel>
              <Details record={record} />
            </Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
    </Stack>
  );
}

export function useVerdict(record: Record_) {
  return useQuery({
    queryKey: ["proof", record.position],
    staleTime: Infinity,
    retry: (count, error) => count < 5 && error instanceof ApiError && error.status === 404, // its checkpoint comes within a second
    queryFn: async ({ client }): Promise<Verdict> => {
      const [proof, keys] = await Promise.all([
        data(api.GET("/v1/audit/proofs", { params: { query: { position: record.position } } })),
        client.fetchQuery(keysQuery),
      ]);
      return verify(record.leaf, proof, keys.items.map((key) => key.verifier_key));
    },
  });
}

export function Verified({ record }: { record: Record_ }) {
  const verdict = useVerdict(record);
  if (verdict.isError) return <Badge variant="light" color="orange" tt="none">not checked</Badge>;
  if (!verdict.data) return <Badge variant="light" color="gray" tt="none">checking</Badge>;
  return verdict.data.holds ? (
    <Badge variant="light" color="teal" tt="none" leftSection={<IconShieldCheck size={12} aria-hidden />}>verified</Badge>
  ) : (
    <Badge variant="filled" color="red" tt="none" leftSection={<IconAlertTriangle size={12} aria-hidden />}>does not hold</Badge>
  );
} // prettier-ignore

function Details({ record }: { record: Record_ }) {
  const verdict = useVerdict(record);
  const at = record.facts.at;
  return (
    <Stack gap="xs">
      {typeof at === "string" && (
        <Text size="sm">
          <Time at={at} />
        </Text>
      )}
      {verdict.isError && <ProblemAlert error={verdict.error} retry={() => void verdict.refetch()} />}
      {verdict.data && (
        <>
          <Text size="sm" className={verdict.data.holds ? "good" : "bad"}>
            {verdict.data.why}
          </Text>
          <ol className="proof-path" aria-label="Path to the root">
            <li>
              leaf <span className="mono">{record.leaf_hash.slice(0, 16)}…</span>
            </li>
            {verdict.data.steps.map((step) => (
              <li key={step.other}>
                with <span className="mono">{step.other.slice(0, 8)}…</span> on the {step.side} → <span className="mono">{step.result.slice(0, 16)}…</span>
              </li>
            ))}
            <li>= the signed root</li>
          </ol>
        </>
      )}
      <Json value={record.facts} label="the record" />
      <Group>
        <Button component="a" size="xs" variant="default" href={`/v1/evidence?task_id=${record.task_id}`} download>
          Evidence pack of this task
        </Button>
      </Group>
    </Stack>
  );
}
