/** Policies: what is in force, what somebody proposed, what a new set would change before it is in force, and how it all came. */
import { Stack, Tabs, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { changesQuery, policiesQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import { ProblemPage } from "../../parts/Broken";
import { Loading } from "../../parts/Loading";
import { Draft } from "./Draft";
import { History } from "./History";
import { InForce } from "./InForce";
import { Pending } from "./Pending";
import { Shadow } from "./Shadow";
import { TabRow } from "../../parts/TabRow";

const route = getRouteApi("/signed-in/policies");

export function PoliciesPage() {
  const { tab = "in-force" } = route.useSearch();
  const navigate = useNavigate();
  const session = useSession();
  const state = useQuery(policiesQuery);
  const changes = useQuery(changesQuery);
  useEffect(() => {
    document.title = "Policies · Interlock";
  }, []);
  const broken = state.error ?? changes.error;
  if (broken) return <ProblemPage title="Policies" error={broken} retry={() => void Promise.all([state.refetch(), changes.refetch()])} />;
  const title = (
    <Title order={1} size="h2">
      Policies
    </Title>
  );
  if (!state.data || !changes.data) {
    return (
      <Stack gap="md">
        {title}
        <Loading what="What is in force" height={480} />
      </Stack>
    );
  }
  const waiting = changes.data.items.filter((one) => one.state === "proposed");
  return (
    <Stack gap="md">
      {title}
      {waiting.map((change) => (
        <Pending key={change.number} change={change} />
      ))}
      <Tabs value={tab} onChange={(next) => void navigate({ to: "/policies", search: { tab: next === "in-force" ? undefined : (next as typeof tab) } })} keepMounted={false}>
        <TabRow>
          <Tabs.Tab value="in-force">In force</Tabs.Tab>
          {session.may.includes("policy.ask") && <Tabs.Tab value="change">Change</Tabs.Tab>}
          <Tabs.Tab value="history">History</Tabs.Tab>
          <Tabs.Tab value="shadow">Looking on</Tabs.Tab>
        </TabRow>
        <Tabs.Panel value="in-force" pt="md">
          <InForce state={state.data} />
        </Tabs.Panel>
        <Tabs.Panel value="change" pt="md">
          <Draft active={state.data.active} />
        </Tabs.Panel>
        <Tabs.Panel value="history" pt="md">
          <History changes={changes.data.items} active={state.data.active} />
        </Tabs.Panel>
        <Tabs.Panel value="shadow" pt="md">
          <Shadow shadow={state.data.shadow} />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}
