/** Everything that is recorded of one effect, opened in place. */
import { Alert, Button, Code, Group, List, Stack, Table, Tabs, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { AnchorLink } from "../../parts/Link";
import { Json } from "../../parts/Json";
import { State } from "../../parts/State";
import { Time } from "../../parts/Time";

type Effect = Schemas["TimelineEffect"];
interface Decision {
  answer?: string;
  obligations?: string[];
  policy_version?: string;
  reasons?: { policy: string; text: string }[];
}

export function EffectDetails({ effect }: { effect: Effect }) {
  const decision = effect.decision as Decision | null | undefined;
  const facts: [string, React.ReactNode][] = [
    ["Effect", <Code key="id">{effect.id}</Code>],
    ["Kind", effect.kind],
    ["Target", effect.target],
    ["Recorded", effect.recorded_at && <Time at={effect.recorded_at} />],
    ["Waits until", effect.wake_at && <Time at={effect.wake_at} />],
    ["By", effect.by],
    ["Model", effect.model_version],
    ["Confidence", effect.confidence === null || effect.confidence === undefined ? null : effect.confidence.toFixed(3)],
    ["Cost", effect.cost_usd && `$${effect.cost_usd}`],
    ["Processor", effect.cpu_ms && `${effect.cpu_ms.toFixed(1)} ms`],
    ["Secrets used", effect.secrets?.length ? effect.secrets.join(", ") : null],
    ["Not sent", effect.left_out?.length ? effect.left_out.join(", ") : null],
    ["Generation", effect.generation],
  ];
  return (
    <Stack gap="sm" p="sm" className="effect-details">
      {effect.error && (
        <Alert color="red" title={String(effect.error.kind ?? "Error")}>
          {String(effect.error.message ?? "")}
        </Alert>
      )}
      {effect.review_id && (
        <AnchorLink to="/reviews/$reviewId" params={{ reviewId: effect.review_id }} size="sm">
          To the review
        </AnchorLink>
      )}
      <Tabs defaultValue="facts" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="facts">Facts</Tabs.Tab>
          <Tabs.Tab value="input">Input</Tabs.Tab>
          <Tabs.Tab value="outcome">Outcome</Tabs.Tab>
          {decision && <Tabs.Tab value="decision">Decision</Tabs.Tab>}
          {(effect.redactions?.length ?? 0) > 0 && <Tabs.Tab value="redactions">Removed ({effect.redactions!.length})</Tabs.Tab>}
          {(effect.failed_attempts?.length ?? 0) > 0 && <Tabs.Tab value="attempts">Attempts ({effect.attempts})</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value="facts" pt="xs">
          <Table>
            <Table.Tbody>
              {facts.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => (
                <Table.Tr key={name}>
                  <Table.Td c="dimmed" w={140}>{name}</Table.Td>
                  <Table.Td className="mono">{value}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Tabs.Panel>
        <Tabs.Panel value="input" pt="xs">
          <Json value={effect.input ?? null} label="the input" />
        </Tabs.Panel>
        <Tabs.Panel value="outcome" pt="xs">
          <Json value={effect.outcome ?? null} label="the outcome" />
        </Tabs.Panel>
        {decision && (
          <Tabs.Panel value="decision" pt="xs">
            <DecisionView decision={decision} />
          </Tabs.Panel>
        )}
        <Tabs.Panel value="redactions" pt="xs">
          <Json value={effect.redactions ?? []} label="what was removed" />
        </Tabs.Panel>
        <Tabs.Panel value="attempts" pt="xs">
          <Json value={effect.failed_attempts ?? []} label="the attempts" />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

function DecisionView({ decision }: { decision: Decision }) {
  const [open, setOpen] = useState(false);
  const policies = useQuery({ queryKey: ["policies"], staleTime: 60_000, enabled: open, queryFn: () => data(api.GET("/v1/policies")) });
  return (
    <Stack gap="xs">
      <Group gap="sm">
        <State state={decision.answer ?? ""} />
        <Text size="xs" c="dimmed">
          policies <Code>{decision.policy_version?.slice(0, 12)}</Code>
        </Text>
      </Group>
      <List size="sm">
        {(decision.reasons ?? []).map((reason) => (
          <List.Item key={reason.policy}>
            <Code>{reason.policy}</Code> {reason.text}
            {open && policies.data && (
              <Text size="xs" c="dimmed">
                {policies.data.policies.filter((one) => one.id === reason.policy).map((one) => `${one.effect} in ${one.file}${one.advice ? `: ${one.advice}` : ""}`).join("; ")}
              </Text>
            )}
          </List.Item>
        ))}
      </List>
      {(decision.obligations?.length ?? 0) > 0 && <Text size="sm">Obligations: {decision.obligations!.join(", ")}</Text>}
      {!open && (
        <Button size="compact-xs" variant="default" onClick={() => setOpen(true)} w="fit-content">
          Where these policies stand
        </Button>
      )}
    </Stack>
  );
}
