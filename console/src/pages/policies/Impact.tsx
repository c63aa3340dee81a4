/** What a set would change: the recorded decisions that would go the other way, and the smallest made-up request that would. */
import { Alert, Code, Group, Stack, Text } from "@mantine/core";
import { IconArrowRight } from "@tabler/icons-react";
import type { Schemas } from "../../api/client";
import { asked, counterexamples, furtherDifferences, proved, unshown } from "../../lib/policies";
import { Json } from "../../parts/Json";
import { AnchorLink } from "../../parts/Link";
import { State } from "../../parts/State";

type Difference = Schemas["PolicyDifference"];

export function Impact({ impact }: { impact: Schemas["PolicyImpact"] }) {
  const searched = counterexamples(impact);
  const smallest = [...searched, ...furtherDifferences(impact)];
  const shown = new Set(smallest.map((one) => one.action));
  const further = unshown(impact).filter((action) => !shown.has(action));
  const tried = Object.values(impact.searched).reduce((sum, one) => sum + one.requests, 0);
  return (
    <Stack gap="sm" role="region" aria-label="What it would change">
      <Alert color={impact.changed ? "orange" : "teal"} title={`${impact.changed} of ${impact.recorded} recorded decisions would go the other way`}>
        {searched.length > 0
          ? `Of ${tried} made-up requests, some are answered differently; the smallest of each action is below.`
          : `Of ${tried} made-up requests, none is answered differently. That is no proof that there is none.`}
      </Alert>
      <Proof impact={impact} />
      {impact.examples.length > 0 && <Text fw={600} size="sm">Recorded decisions</Text>}
      {impact.examples.map((one, number) => (
        <Change key={number} one={one} />
      ))}
      {smallest.length > 0 && <Text fw={600} size="sm">Smallest counterexamples</Text>}
      {smallest.map((one) => (
        <Change key={JSON.stringify([one.principal, one.action, one.resource, one.context])} one={one} />
      ))}
      {further.length > 0 && (
        <Text size="sm" c="dimmed">
          Other policies decide about {further.join(", ")} too; no made-up request was found that is answered differently.
        </Text>
      )}
    </Stack>
  ); // prettier-ignore
}

/** What was proved, in a line; what is not decided below it, with the reason. */
function Proof({ impact }: { impact: Schemas["PolicyImpact"] }) {
  const found = proved(impact);
  if (!found) return null;
  if (found.problem) return <Text size="sm" c="dimmed">{found.problem}</Text>; // prettier-ignore
  return (
    <Stack gap={4}>
      <Text size="sm">
        Proved: for {found.proved} of {found.kinds} kinds of requests no answer changes, whatever is asked; {found.differs.length} differ,{" "}
        {found.undecided.length} are not decided.
      </Text>
      {found.undecided.length > 0 && (
        <details>
          <summary>What is not decided, and why</summary>
          {found.undecided.map((one, number) => (
            <Text size="xs" c="dimmed" key={number}>
              {one.principal} → {one.action} → {one.resource}: {one.reason}
            </Text>
          ))}
        </details>
      )}
    </Stack>
  );
}

function Change({ one }: { one: Difference }) {
  return (
    <Stack gap="xs" className="change">
      <Group gap="xs">
        <Text size="sm" className="mono">
          {asked(one)}
        </Text>
        <Group gap={4} wrap="nowrap">
          <State state={one.before.answer} />
          <IconArrowRight size={14} aria-label="becomes" role="img" />
          <State state={one.after.answer} />
        </Group>
      </Group>
      <Text size="xs" c="dimmed">
        {one.before.policies.length > 0 && <>before by {codes(one.before.policies)} </>}
        {one.after.policies.length > 0 && <>then by {codes(one.after.policies)}</>}
        {one.after.obligations.length > 0 && <> with {one.after.obligations.join(", ")}</>}
      </Text>
      {one.task_id && (
        <AnchorLink to="/tasks/$taskId" params={{ taskId: one.task_id }} size="sm" w="fit-content" lh="1.5rem">
          To the task{one.effect ? `, ${one.effect}` : ""}
        </AnchorLink>
      )}
      <details>
        <summary>The whole request</summary>
        <Json value={{ principal: one.principal, action: one.action, resource: one.resource, context: one.context }} label={`the request ${one.action}`} />
      </details>
    </Stack>
  );
}

const codes = (ids: string[]) => ids.map((id) => <Code key={id}>{id}</Code>);
