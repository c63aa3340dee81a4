/** An audit record as it stands in the log, and what this page itself finds when it follows the record to the signed root. */
import { Badge, Box, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconShieldCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { api, ApiError, data, type Schemas } from "../api/client";
import { auditKeysQuery } from "../api/queries";
import { factsOf, fieldName, saidOf, shownFacts, textOf } from "../lib/audit";
import { type Verdict, verify } from "../lib/merkle";
import { ProblemAlert } from "./Broken";
import { Facts } from "./Facts";
import { Json } from "./Json";
import { ProofPath } from "./ProofPath";
import { Time } from "./Time";

export type AuditRecord = Schemas["AuditRecord"];

export function useVerdict(record: AuditRecord, enabled = true) {
  return useQuery({
    queryKey: ["proof", record.position, record.leaf],
    staleTime: Infinity,
    enabled,
    retry: (count, error) => count < 5 && error instanceof ApiError && error.status === 404, // its checkpoint comes within a second
    queryFn: async ({ client }): Promise<Verdict> => {
      const [proof, keys] = await Promise.all([
        data(api.GET("/v1/audit/proofs", { params: { query: { position: record.position } } })),
        client.fetchQuery(auditKeysQuery),
      ]);
      return verify(record.leaf, proof, keys.items.map((key) => key.verifier_key));
    },
  });
}

export function Verified({ record, enabled = true }: { record: AuditRecord; enabled?: boolean }) {
  const verdict = useVerdict(record, enabled);
  if (verdict.data) return <Holds holds={verdict.data.holds} />;
  if (verdict.isError) return <Badge variant="light" color="orange" tt="none">not checked</Badge>;
  return enabled ? <Badge variant="light" color="gray" tt="none">checking</Badge> : null;
} // prettier-ignore

/** Whether a proof holds: as icon, word and colour. */
export function Holds({ holds }: { holds: boolean }) {
  return holds ? (
    <Badge variant="light" color="teal" tt="none" leftSection={<IconShieldCheck size={12} aria-hidden />}>verified</Badge>
  ) : (
    <Badge variant="filled" color="red.9" tt="none" leftSection={<IconAlertTriangle size={12} aria-hidden />}>does not hold</Badge>
  );
} // prettier-ignore

export function RecordDetails({ record, children }: { record: AuditRecord; children?: React.ReactNode }) {
  const verdict = useVerdict(record);
  const facts = factsOf(record.leaf);
  const at = textOf(facts, "at");
  return (
    <Stack gap="xs">
      {at && (
        <Text size="sm">
          <Time at={at} />
        </Text>
      )}
      {children}
      <Box fz="sm">
        <Facts facts={shownFacts(facts).map(([name, value]) => [fieldName(name), <span key={name} className="mono">{saidOf(value)}</span>])} />
      </Box>
      {verdict.isError && <ProblemAlert error={verdict.error} retry={() => void verdict.refetch()} />}
      {verdict.data && (
        <>
          <Text size="sm" className={verdict.data.holds ? "good" : "bad"}>
            {verdict.data.why}
          </Text>
          <ProofPath leafHash={record.leaf_hash} position={record.position} verdict={verdict.data} />
        </>
      )}
      <details>
        <summary>Exactly what was hashed</summary>
        <Json value={facts} label={`record ${record.position}`} />
      </details>
    </Stack>
  );
}
