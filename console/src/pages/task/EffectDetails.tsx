/** Everything that is recorded of one effect, opened in place. */
import { Alert, Button, Code, Group, Stack, Table, Tabs, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, ApiError, data, type Schemas } from "../../api/client";
import { policyVersionQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import { isValues } from "../../lib/review";
import { ProblemAlert } from "../../parts/Broken";
import { AnchorLink } from "../../parts/Link";
import { Json } from "../../parts/Json";
import { PolicyText } from "../../parts/PolicyText";
import { State } from "../../parts/State";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";
import { StepLogs } from "./StepLogs";
import { TabRow } from "../../parts/TabRow";

type Effect = Schemas["TimelineEffect"];
interface Decision {
  answer?: string;
  obligations?: string[];
  policy_version?: string;
  reasons?: { policy: string; text: string }[];
}

export function EffectDetails({ taskId, effect }: { taskId: string; effect: Effect }) {
  const decision = effect.decision as Decision | null | undefined;
  const logs = effect.kind === "step" && !effect.target?.startsWith("interlock:"); // the platform's own steps write nothing
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
        <TabRow>
          <Tabs.Tab value="facts">Facts</Tabs.Tab>
          <Tabs.Tab value="input">Input</Tabs.Tab>
          <Tabs.Tab value="outcome">Outcome</Tabs.Tab>
          {decision && <Tabs.Tab value="decision">Decision</Tabs.Tab>}
          {(effect.redactions?.length ?? 0) > 0 && <Tabs.Tab value="redactions">Removed ({effect.redactions!.length})</Tabs.Tab>}
          {(effect.failed_attempts?.length ?? 0) > 0 && <Tabs.Tab value="attempts">Attempts ({effect.attempts})</Tabs.Tab>}
          {logs && <Tabs.Tab value="logs">Logs</Tabs.Tab>}
        </TabRow>
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
          <Outcome taskId={taskId} effect={effect} />
        </Tabs.Panel>
        {decision && (
          <Tabs.Panel value="decision" pt="xs">
            <DecisionView decision={decision} />
          </Tabs.Panel>
        )}
        <Tabs.Panel value="redactions" pt="xs">
          <Redactions found={effect.redactions ?? []} />
        </Tabs.Panel>
        <Tabs.Panel value="attempts" pt="xs">
          <Attempts effect={effect} />
        </Tabs.Panel>
        {logs && (
          <Tabs.Panel value="logs" pt="xs">
            <StepLogs taskId={taskId} effect={effect} />
          </Tabs.Panel>
        )}
      </Tabs>
    </Stack>
  );
}

/** What came of it; what is large stands elsewhere, and is read when somebody asks for it. */
function Outcome({ taskId, effect }: { taskId: string; effect: Effect }) {
  const large = isValues(effect.outcome) && typeof effect.outcome.ref === "string" && Object.keys(effect.outcome).length === 1;
  const [asked, setAsked] = useState(false);
  const whole = useQuery({
    queryKey: ["effect", taskId, effect.id, effect.recorded_at],
    enabled: large && asked,
    queryFn: () => data(api.GET("/v1/tasks/{task_id}/effects/{effect_id}", { params: { path: { task_id: taskId, effect_id: effect.id.replace(/^\//, "") } } })),
  });
  if (whole.isError) return <ProblemAlert error={whole.error} retry={() => void whole.refetch()} />;
  if (!large || whole.data) return <Json value={(large ? whole.data?.value : effect.outcome) ?? null} label="the outcome" />;
  return (
    <Button size="xs" variant="default" onClick={() => setAsked(true)} loading={whole.isFetching}>
      It is large: read it
    </Button>
  );
}

/** The tries that failed: when, why, and when the next one was due. */
function Attempts({ effect }: { effect: Effect }) {
  const failed = (effect.failed_attempts ?? []) as { attempt?: number; at?: string; next_attempt_at?: string | null; error?: { kind?: string; message?: string } | null }[];
  return (
    <Wide label={`Attempts of ${effect.name}`}>
      <Table aria-label="Attempts" miw={460}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Attempt</Table.Th>
            <Table.Th>Failed</Table.Th>
            <Table.Th>Why</Table.Th>
            <Table.Th>Next due</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {failed.map((one) => (
            <Table.Tr key={one.attempt}>
              <Table.Td>{one.attempt}</Table.Td>
              <Table.Td>{one.at && <Time at={one.at} />}</Table.Td>
              <Table.Td>
                <Code>{one.error?.kind ?? "Error"}</Code> {one.error?.message}
              </Table.Td>
              <Table.Td>{one.next_attempt_at ? <Time at={one.next_attempt_at} /> : "none"}</Table.Td>
            </Table.Tr>
          ))}
          {effect.status !== "pending" && (
            <Table.Tr>
              <Table.Td>{effect.attempts}</Table.Td>
              <Table.Td>{effect.recorded_at && <Time at={effect.recorded_at} />}</Table.Td>
              <Table.Td>
                <State state={effect.status} size="xs" />
              </Table.Td>
              <Table.Td />
            </Table.Tr>
          )}
        </Table.Tbody>
      </Table>
    </Wide>
  );
}

/** What was removed before it was sent: of which type, where, how often; never a value. */
function Redactions({ found }: { found: Record<string, unknown>[] }) {
  return (
    <Wide label="What was removed">
      <Table aria-label="Removed" miw={360}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Type</Table.Th>
            <Table.Th>Where</Table.Th>
            <Table.Th>Times</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {found.map(({ type, count, ...where }, number) => (
            <Table.Tr key={number}>
              <Table.Td>{String(type ?? "")}</Table.Td>
              <Table.Td className="mono">{Object.entries(where).map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", ")}</Table.Td>
              <Table.Td>{String(count ?? 1)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Wide>
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
