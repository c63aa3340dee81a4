/** Personal data: what is kept of a person, what was removed before it left, and their erasure. */
import { Button, Group, Stack, Text, TextInput, Title } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useEffect, useLayoutEffect, useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { ProblemAlert } from "../../parts/Broken";
import { Gate } from "../../parts/Gate";
import { Loading } from "../../parts/Loading";
import { About } from "./About";
import { ErasureTable } from "./ErasureTable";
import { More } from "../../parts/More";

const route = getRouteApi("/signed-in/privacy");

export function PrivacyPage() {
  return (
    <Gate title="Personal data" may="privacy.read" ask={() => api.GET("/v1/privacy/erasures", { params: { query: { limit: 1 } } })}>
      <Kept />
    </Gate>
  );
}

function Kept() {
  const { subject } = route.useSearch();
  const navigate = useNavigate();
  const [typed, setTyped] = useState(subject ?? "");
  useLayoutEffect(() => setTyped(subject ?? ""), [subject]); // before anybody types
  useEffect(() => {
    document.title = "Personal data · Interlock";
  }, []);
  return (
    <Stack gap="md">
      <Title order={1} size="h2">
        Personal data
      </Title>
      <form
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          void navigate({ to: "/privacy", search: { subject: typed.trim() || undefined } });
        }}
      >
        <Group align="end" gap="xs">
          <TextInput label="Person" description="As tasks name them" placeholder="user:mei" value={typed} onChange={(event) => setTyped(event.currentTarget.value)} maxLength={132} w={{ base: "100%", xs: 320 }} />
          <Button type="submit" disabled={!typed.trim()}>
            See what is kept
          </Button>
        </Group>
      </form>
      {subject ? <About key={subject} subject={subject} /> : <Erasures />}
    </Stack>
  );
}

function Erasures() {
  const found = useInfiniteQuery({
    queryKey: ["privacy", "erasures"],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => data(api.GET("/v1/privacy/erasures", { params: { query: { limit: 50, cursor: pageParam } } })),
    getNextPageParam: (last: Schemas["ErasurePage"]) => last.next_cursor ?? undefined,
  });
  if (found.isError) return <ProblemAlert error={found.error} retry={() => void found.refetch()} />;
  if (!found.data) return <Loading what="The list of erasures" height={160} />;
  const items = found.data.pages.flatMap((page) => page.items);
  return (
    <Stack gap="sm">
      <Title order={2} size="h4">
        Erasures
      </Title>
      {items.length === 0 ? <Text c="dimmed">Nobody was erased.</Text> : <ErasureTable items={items} />}
      <More of={found}>Earlier erasures</More>
    </Stack>
  );
}
