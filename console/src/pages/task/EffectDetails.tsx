/** Everything that is recorded of one effect, opened in place. */
import { Alert, Code, Group, Stack, Table, Tabs, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { ApiError, type Schemas } from "../../api/client";
import { policyVersionQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import { AnchorLink } from "../../parts/Link";
import { Json } from "../../parts/Json";
import { PolicyText } from "../../parts/PolicyText";
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
  const session = useSession();
  const version = decision.policy_version ?? "";
  const found = useQuery({ ...policyVersionQuery(version), enabled: version !== "" && session.may.includes("policy.read") });
  const texts = new Map(found.data?.policies.map((one) => [one.id, one]));
  return (
    <Stack gap="xs">
      <Group gap="sm">
        <State state={decision.answer ?? ""} />
        <Text size="xs" c="dimmed">
          by policies of version <Code>{version.slice(0, 12)}</Code>
        </Text>
      </Group>
      <Stack gap={6} component="ul" p={0} m={0} className="plain-list">
        {(decision.reasons ?? []).map((reason) => (
          <li key={reason.policy}>
            <Text size="sm">
              <Code>{reason.policy}</Code> {reason.text}
            </Text>
            <PolicyText id={reason.policy} text={texts.get(reason.policy)?.text} />
          </li>
        ))}
      </Stack>
      {(decision.obligations?.length ?? 0) > 0 && <Text size="sm">Obligations: {decision.obligations!.join(", ")}</Text>}
      {found.isError && (
        <Text size="sm" c="dimmed">
          {found.error.message} {found.error instanceof ApiError && found.error.problem.fix}
        </Text>
      )}
    </Stack>
  );
}
