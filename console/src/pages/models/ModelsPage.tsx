/** Every model version on record: how it stands, opened in place with where it comes from and who let it serve. */
import { Accordion, Group, Stack, Text, Title } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { ProblemAlert } from "../../parts/Broken";
import { Loading } from "../../parts/Loading";
import { State } from "../../parts/State";
import { Time } from "../../parts/Time";
import { Version } from "./Version";
import { More } from "../../parts/More";

export function ModelsPage() {
  const [opened, setOpened] = useState<string[]>([]);
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
      <Title order={1} size="h2">
        Models
      </Title>
      <Text size="sm" c="dimmed">
        A version is registered, evaluated, approved by another person, and released with a signature before it may serve.
      </Text>
      {found.isError && <ProblemAlert error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Loading what="The list of versions" height={240} />}
      {found.isSuccess && items.length === 0 && <Text c="dimmed">No version is on record. Register the one that is deployed with: interlock model register</Text>}
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
    </Stack>
  );
}
