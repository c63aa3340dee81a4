/** Every model version on record: how it stands, opened in place with where it comes from and who let it serve. */
import { Accordion, Button, Group, Stack, Text, Title } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { queryOptions, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { automationQuery, automationsQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import type { Question } from "../../parts/Ask";
import { AskLater } from "../../parts/AskLater";
import { ProblemAlert } from "../../parts/Broken";
import { Gate } from "../../parts/Gate";
import { Loading } from "../../parts/Loading";
import { State } from "../../parts/State";
import { Time } from "../../parts/Time";
import { Version } from "./Version";
import { More } from "../../parts/More";

export function ModelsPage() {
  return (
    <Gate title="Models" may="model.list" ask={() => api.GET("/v1/models/versions", { params: { query: { limit: 1 } } })}>
      <Versions />
    </Gate>
  );
}

function Versions() {
  const session = useSession();
  const [opened, setOpened] = useState<string[]>([]);
  const [question, setQuestion] = useState<Question | null>(null);
  const deployed = useQuery({ ...deployedQuery, enabled: session.may.includes("model.register") });
  const found = useInfiniteQuery({
    queryKey: ["models", "list"],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => data(api.GET("/v1/models/versions", { params: { query: { limit: 50, cursor: pageParam } } })),
    getNextPageParam: (last: Schemas["ModelVersionPage"]) => last.next_cursor ?? undefined,
  });
  useEffect(() => {
    document.title = "Models · Interlock";
  }, []);
  const items = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Title order={1} size="h2">
          Models
        </Title>
        {session.may.includes("model.register") && (
          <Button size="xs" onClick={() => setQuestion(registration(deployed.data ?? []))} disabled={!deployed.isSuccess}>
            Register a version
          </Button>
        )}
      </Group>
      <Text size="sm" c="dimmed">
        A version is registered, evaluated, approved by another person, and released with a signature before it may serve.
      </Text>
      {found.isError && <ProblemAlert error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Loading what="The list of versions" height={240} />}
      {found.isSuccess && items.length === 0 && <Text c="dimmed">No version is on record yet: register the one that is deployed.</Text>}
      <Accordion variant="contained" chevronPosition="left" multiple value={opened} onChange={setOpened}>
        {items.map((one) => {
          const key = String(one.number);
          return (
            <Accordion.Item key={key} value={key}>
              <Accordion.Control>
                <Group justify="space-between" gap="xs">
                  <Group gap="sm">
                    <Text size="sm" fw={600}>
                      {one.model} {one.version}
                    </Text>
                    <Text size="sm" c="dimmed">
                      {one.automation}
                    </Text>
                    <Text size="sm" c="dimmed" className="mono">
                      {one.digest.slice(0, 12)}
                    </Text>
                  </Group>
                  <Group gap="sm" fz="sm" c="dimmed">
                    {one.origin === "shipped" && <span>came with the product</span>}
                    <Time at={one.changed_at} ago />
                    <State state={one.state} />
                  </Group>
                </Group>
              </Accordion.Control>
              <Accordion.Panel>{opened.includes(key) && <Version number={one.number} />}</Accordion.Panel>
            </Accordion.Item>
          );
        })}
      </Accordion>
      <More of={found}>Earlier versions</More>
      <AskLater question={question} onClose={() => setQuestion(null)} />
    </Stack>
  );
}

/** The models that are deployed here, as "automation / model". */
const deployedQuery = queryOptions({
  queryKey: ["deployed-models"],
  queryFn: async ({ client }) => {
    const { items } = await client.fetchQuery(automationsQuery);
    const all = await Promise.all(items.map((one) => client.fetchQuery(automationQuery(one.name))));
    return all.flatMap((one) => one.models.map((model) => `${one.name} / ${model.name}`));
  },
});

const registration = (deployed: string[]): Question => ({
  title: "Register a version",
  says: "The version that is deployed is put on record, with the digest of each of its files. It serves when it was evaluated, approved by another person and released. One that is on record already stays as it is.",
  verb: "Register it",
  schema: {
    type: "object",
    required: ["model"],
    properties: {
      model: { type: "string", enum: deployed, title: "Model" },
      note: { type: "string", maxLength: 2000, title: "Why", description: "For whoever reads the record. Part of the signed statement." },
    },
  },
  first: deployed.length === 1 ? { "/model": deployed[0]! } : {},
  renews: "models",
  act: async (value) => {
    const { model: chosen = "", note = "" } = value as { model?: string; note?: string };
    const [automation = "", model = ""] = chosen.split(" / ");
    const found = await data(api.POST("/v1/models/versions", { body: { automation, model, note } }));
    notifications.show({ color: "teal", title: "It is on record", message: `${found.label}: ${found.state}` });
  },
});
