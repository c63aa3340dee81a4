/** Today in numbers, each of which leads to the tasks behind it; before the first task, how to get to one. */
import { Button, Card, Group, SegmentedControl, SimpleGrid, Stack, Table, Text, Title } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { part } from "../lib/onDemand";
import { api, data, type Schemas } from "../api/client";
import { reviewsQuery } from "../api/queries";
import { useSession } from "../api/session";
import { duration } from "../lib/time";
import { ProblemAlert } from "../parts/Broken";
import { AnchorLink } from "../parts/Link";
import { Rows } from "../parts/Rows";
import { Loading } from "../parts/Loading";
import { FirstSteps } from "./home/FirstSteps";

const Charts = lazy(() => part(() => import("./home/Charts")).then((module) => ({ default: module.Charts }))); // more than half of all that the page loads, so for whoever asks for them
type Numbers = Schemas["AutomationNumbers"];
const PERIODS = [
  { value: "24", label: "24 hours" },
  { value: "168", label: "7 days" },
  { value: "720", label: "30 days" },
];

export function Home() {
  const [hours, setHours] = useState("24");
  const [charts, setCharts] = useLocalStorage({ key: "interlock.charts", defaultValue: false, getInitialValueInEffect: false });
  const bucket = hours === "24" ? "hour" : "day";
  const may = useSession().may.includes("task.list");
  const today = useQuery({
    queryKey: ["today", hours],
    enabled: may,
    placeholderData: keepPreviousData,
    queryFn: () => data(api.GET("/v1/statistics", { params: { query: { hours: Number(hours), bucket } } })),
  });
  const open = useInfiniteQuery(reviewsQuery({}));
  const waiting = (open.data?.pages ?? []).reduce((count, page) => count + page.items.length, 0);
  useEffect(() => {
    document.title = "Interlock";
  }, []);
  const items = today.data?.items ?? [];
  const sum = (name: "tasks" | "succeeded" | "failed" | "blocked" | "straight_through" | "running" | "failed_resolved" | "blocked_resolved") => items.reduce((total, one) => total + one[name], 0);
  const failed = sum("failed") - sum("failed_resolved"); // what somebody has dealt with needs nobody
  const blocked = sum("blocked") - sum("blocked_resolved");
  const since = `${hours}h`; // of what the tiles lead to as well
  const slowest = items.filter((one) => one.p95_ms !== null).sort((a, b) => b.p95_ms! - a.p95_ms!)[0]; // of several no common one can be told
  return (
    <Stack gap="lg" maw={1100}>
      <Group justify="space-between">
        <Title order={1} size="h2">
          Home
        </Title>
        {may && <SegmentedControl size="xs" value={hours} onChange={setHours} data={PERIODS} aria-label="Period" />}
      </Group>
      {!may && <Text c="dimmed">The numbers are for who may list tasks. What your roles are for stands in the menu.</Text>}
      {today.isError && <ProblemAlert error={today.error} retry={() => void today.refetch()} />}
      {today.isSuccess && <FirstSteps tasks={sum("tasks")} />}
      {today.isSuccess && (
        <>
          <SimpleGrid cols={{ base: 2, sm: 4 }}>
            <Tile label="Done" value={sum("succeeded")} find="succeeded" since={since} />
            <Tile label="For a person" value={`${waiting}${open.hasNextPage ? "+" : ""}`} inbox />
            <Tile label="Failed" value={failed} find="failed unresolved" since={since} bad={failed > 0} />
            <Tile label="Blocked" value={blocked} find="blocked unresolved" since={since} bad={blocked > 0} />
            <Tile label="Straight through" value={share(sum("straight_through"), sum("succeeded"))} find="succeeded" since={since} />
            <Tile label={slowest && items.length > 1 ? `p95 of ${slowest.automation}` : "p95"} value={time(slowest?.p95_ms ?? null)} find={[slowest?.automation, "succeeded"].filter(Boolean).join(" ")} since={since} />
            <Tile label="Cost" value={money(items.reduce((total, one) => total + Number(one.cost_usd), 0))} since={since} />
            <Tile label="Running" value={sum("running")} find="running" since={since} />
          </SimpleGrid>
          {sum("tasks") === 0 && <Text c="dimmed">No task was accepted in this time.</Text>}
          {items.length > 0 && <ByAutomation items={items} since={since} />}
          {sum("tasks") > 0 && (
            <Button variant="default" size="xs" style={{ alignSelf: "flex-start" }} aria-expanded={charts} onClick={() => setCharts(!charts)}>
              {charts ? "Hide the charts" : "Show charts"}
            </Button>
          )}
          <Suspense fallback={<Loading what="The charts" height={260} />}>
            {charts && sum("tasks") > 0 && <Charts parts={today.data.series} bucket={bucket} />}
          </Suspense>
        </>
      )}
    </Stack>
  );
}

const share = (part: number, whole: number): string => (whole ? `${Math.round((100 * part) / whole)} %` : "–");
const money = (usd: number): string => `$${usd >= 1 || usd === 0 ? usd.toFixed(2) : usd.toPrecision(2)}`;
const time = (ms: number | null): string => (ms === null ? "–" : duration(ms));

function Tile(props: { label: string; value: number | string; find?: string; since?: string; inbox?: boolean; bad?: boolean }) {
  const inside = (
    <>
      <Text size="sm" c="dimmed">
        {props.label}
      </Text>
      <Text fz={{ base: 22, sm: 28 }} fw={700} className={props.bad ? "bad" : undefined}>
        {props.value}
      </Text>
    </>
  );
  return (
    <Card withBorder padding="md">
      {props.inbox ? (
        <AnchorLink to="/inbox" className="title-link">
          {inside}
        </AnchorLink>
      ) : (
        <AnchorLink to="/tasks" search={{ find: props.find, since: props.since }} className="title-link">
          {inside}
        </AnchorLink>
      )}
    </Card>
  );
}

function ByAutomation({ items, since }: { items: Numbers[]; since: string }) {
  return (
    <Rows label="By automation" heads={["Automation", "Tasks", "Straight through", "p50", "p95", "Waiting", "Failed", "Cost", "Cost a task"]}>
          {items.map((one) => (
            <Table.Tr key={one.automation}>
              <Table.Td>
                <AnchorLink to="/automations/$name" params={{ name: one.automation }}>
                  {one.automation}
                </AnchorLink>
              </Table.Td>
              <Table.Td>
                <AnchorLink to="/tasks" search={{ find: one.automation, since }}>
                  {one.tasks}
                </AnchorLink>
              </Table.Td>
              <Table.Td>{share(one.straight_through, one.succeeded)}</Table.Td>
              <Table.Td>{time(one.p50_ms)}</Table.Td>
              <Table.Td>{time(one.p95_ms)}</Table.Td>
              <Table.Td>{one.waiting}</Table.Td>
              <Table.Td>{one.failed}</Table.Td>
              <Table.Td>${Number(one.cost_usd).toFixed(4)}</Table.Td>
              <Table.Td>${(Number(one.cost_usd) / Math.max(1, one.tasks)).toFixed(6)}</Table.Td>
            </Table.Tr>
          ))}
    </Rows>
  );
}
