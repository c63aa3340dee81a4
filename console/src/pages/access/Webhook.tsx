/** The tenant's webhook: where it is called for loud events, what came of the last calls, and a dead one sent again. */
import { Button, Card, Code, Group, Stack, Table, Text, Title } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { webhookCallsQuery } from "../../api/access";
import { api, data, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import type { Question } from "../../parts/Ask";
import { AskLater } from "../../parts/AskLater";
import { ProblemAlert } from "../../parts/Broken";
import { Deeds } from "../../parts/Deeds";
import { Facts } from "../../parts/Facts";
import { Loading } from "../../parts/Loading";
import { More } from "../../parts/More";
import { Rows } from "../../parts/Rows";
import { State } from "../../parts/State";
import { Time } from "../../parts/Time";
import { webhook } from "./schemas";

const RENEWS = "webhook";
type Set = Schemas["TenantWebhook"];

const setOf = (now: Set | null): Question => ({
  title: now ? "Set another address" : "Set the webhook",
  says: now ? "The address before is told that it was replaced." : "It is called when somebody breaks the glass, when that ends, runs out or is reviewed, when policies change, and when it is set elsewhere or removed.",
  verb: "Set it",
  schema: webhook,
  first: { "/url": now?.url ?? "" },
  renews: RENEWS,
  act: (value) => data(api.PUT("/v1/webhook", { body: { url: "", ...(value as Partial<Schemas["TenantWebhookRequest"]>) } })),
});

const REMOVE: Question = {
  title: "Remove the webhook?",
  says: "Nobody is called any more. The address is told so.",
  verb: "Remove it",
  danger: true,
  renews: RENEWS,
  act: () => api.DELETE("/v1/webhook"),
};

const again = (one: Schemas["Delivery"]): Question => ({
  title: "Send it again?",
  says: "It goes under the same ID, with all its attempts anew.",
  verb: "Send it again",
  renews: RENEWS,
  act: () => data(api.POST("/v1/deliveries/{delivery_id}:redeliver", { params: { path: { delivery_id: one.id } } })),
});

export function Webhook() {
  const may = useSession().may.includes("webhook.write");
  const found = useInfiniteQuery(webhookCallsQuery);
  const [question, setQuestion] = useState<Question | null>(null);
  if (found.isError) return <ProblemAlert error={found.error} retry={() => void found.refetch()} />;
  if (!found.data) return <Loading what="The webhook" height={160} />;
  const now = found.data.pages[0]?.webhook ?? null;
  const calls = found.data.pages.flatMap((page) => page.items);
  return (
    <Stack gap="md">
      {may && (
        <Group gap="xs">
          <Button size="xs" onClick={() => setQuestion(setOf(now))}>
            {now ? "Set another address" : "Set the webhook"}
          </Button>
          {now && (
            <Button size="xs" variant="default" onClick={() => setQuestion(REMOVE)}>
              Remove it
            </Button>
          )}
        </Group>
      )}
      {!now && <Text c="dimmed">Nobody is called. A webhook is told at once when somebody breaks the glass or policies change, so that it does not wait until somebody looks here.</Text>}
      {now && (
        <Card withBorder>
          <Facts
            facts={[
              ["Address", <Code key="url" className="mono">{now.url}</Code>],
              ["Signed", "as callbacks are, with the tenant's secret, which no page shows"],
              ["Set", <span key="set">by {now.set_by}, <Time at={now.set_at} ago /></span>],
            ]}
          />
        </Card>
      )}
      <Calls calls={calls} may={may} ask={setQuestion} />
      <More of={found}>Earlier calls</More>
      <AskLater question={question} onClose={() => setQuestion(null)} />
    </Stack>
  ); // prettier-ignore
}

function Calls({ calls, may, ask }: { calls: Schemas["Delivery"][]; may: boolean; ask: (question: Question) => void }) {
  return (
    <Stack gap="sm">
      <Title order={2} size="h4">
        Last calls
      </Title>
        <Rows label="Last calls" heads={["Call", "Address", "When", "Attempts", "Outcome", ""]} empty="It was not called yet.">
          {calls.map((one) => (
              <Table.Tr key={one.id}>
                <Table.Td>
                  <Code>{one.id}</Code>
                </Table.Td>
                <Table.Td className="mono">{one.url}</Table.Td>
                <Table.Td>
                  <Time at={one.created_at} ago />
                </Table.Td>
                <Table.Td>{one.attempts.length}</Table.Td>
                <Table.Td>
                  <State state={one.state} />
                  <Text size="xs" c="dimmed">
                    {outcomeOf(one)}
                  </Text>
                </Table.Td>
                <Table.Td>{may && one.state === "dead" && <Deeds of={`the call ${one.id}`} deeds={[{ label: "Send it again", act: () => ask(again(one)) }]} />}</Table.Td>
              </Table.Tr>
          ))}
        </Rows>
    </Stack>
  );
}

function outcomeOf({ attempts }: Schemas["Delivery"]): string {
  const last = attempts.at(-1);
  if (!last) return "not tried yet";
  return last.status === null ? (last.error ?? "no answer") : `it answered ${last.status}`;
}
