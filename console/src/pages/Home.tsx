/** Today in numbers, each of which leads to the tasks behind it; before the first task, how to get to one. */
import { Anchor, Card, Code, Group, List, SegmentedControl, SimpleGrid, Stack, Table, Text, ThemeIcon, Title } from "@mantine/core";
import { IconCheck, IconCircle } from "@tabler/icons-react";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { api, data, type Schemas } from "../api/client";
import { reviewsQuery } from "../api/queries";
import { useSession } from "../api/session";
import { duration } from "../lib/time";
import { ProblemAlert } from "../parts/Broken";
import { AnchorLink } from "../parts/Link";
import { Loading } from "../parts/Loading";

const Charts = lazy(() => import("./home/Charts").then((module) => ({ default: module.Charts }))); // the largest part of the page, and not what it is opened for
type Numbers = Schemas["AutomationNumbers"];
const PERIODS = [
  { value: "24", label: "24 hours" },
  { value: "168", label: "7 days" },
  { value: "720", label: "30 days" },
];

export function Home() {
  const [hours, setHours] = useState("24");
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
      {today.isSuccess && sum("tasks") === 0 && <FirstSteps />}
      {today.isSuccess && sum("tasks") > 0 && (
        <>
          <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }}>
            <Tile label="Done" value={sum("succeeded")} find="succeeded" />
            <Tile label="For a person" value={`${waiting}${open.hasNextPage ? "+" : ""}`} inbox />
            <Tile label="Failed" value={failed} find="failed unresolved" bad={failed > 0} />
            <Tile label="Blocked" value={blocked} find="blocked unresolved" bad={blocked > 0} />
            <Tile label="Straight through" value={share(sum("straight_through"), sum("succeeded"))} find="succeeded" />
            <Tile label="Running" value={sum("running")} find="running" />
          </SimpleGrid>
          <Suspense fallback={<Loading what="The charts" height={260} />}>
            <Charts parts={today.data.series} bucket={bucket} />
          </Suspense>
          <ByAutomation items={items} />
        </>
      )}
    </Stack>
  );
}

const share = (part: number, whole: number): string => (whole ? `${Math.round((100 * part) / whole)} %` : "–");
const time = (ms: number | null): string => (ms === null ? "–" : duration(ms));

function Tile(props: { label: string; value: number | string; find?: string; inbox?: boolean; bad?: boolean }) {
  const inside = (
    <>
      <Text size="sm" c="dimmed">
        {props.label}
      </Text>
      <Text fz={28} fw={700} className={props.bad ? "bad" : undefined}>
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
        <AnchorLink to="/tasks" search={{ find: props.find }} className="title-link">
          {inside}
        </AnchorLink>
      )}
    </Card>
  );
}

function ByAutomation({ items }: { items: Numbers[] }) {
  return (
    <Table.ScrollContainer minWidth={640} scrollAreaProps={{ viewportProps: { tabIndex: 0, role: "region", "aria-label": "By automation" } }}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            {["Automation", "Tasks", "Straight through", "p50", "p95", "Waiting", "Failed", "Cost", "Cost a task"].map((name) => (
              <Table.Th key={name}>{name}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {items.map((one) => (
            <Table.Tr key={one.automation}>
              <Table.Td>
                <AnchorLink to="/automations/$name" params={{ name: one.automation }}>
                  {one.automation}
                </AnchorLink>
              </Table.Td>
              <Table.Td>
                <AnchorLink to="/tasks" search={{ find: one.automation }}>
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
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

/** From nothing to a first reviewed receipt. What is done shows as done. */
function FirstSteps() {
  const answered = useInfiniteQuery(reviewsQuery({ queue: "done" }));
  const done = answered.data?.pages.some((page) => page.items.length > 0) ?? false;
  const steps: [boolean, React.ReactNode][] = [
    [true, "Interlock runs, and you are signed in."],
    [
      false,
      <>
        Hand in a receipt: <Code>interlock task submit expenses receipt.jpg</Code>. No receipt at hand? <Code>make demo</Code> draws some.
      </>,
    ],
    [
      done,
      <>
        Answer what it is not sure of: it appears in the <AnchorLink to="/inbox">inbox</AnchorLink> by itself. Whoever handed it in cannot answer it, so make a key for
        a reviewer first: <Code>interlock key create mei --user user:mei --role manager</Code>
      </>,
    ],
    [
      false,
      <>
        Prove the record: open the task and look at its audit records, or run <Code>interlock audit verify</Code>.
      </>,
    ],
  ];
  return (
    <Card withBorder padding="lg">
      <Title order={2} size="h4" mb="sm">
        To a first reviewed receipt, in three minutes
      </Title>
      <List spacing="sm" center>
        {steps.map(([ok, says], number) => (
          <List.Item
            key={number}
            icon={
              <ThemeIcon size={22} radius="xl" variant="light" color={ok ? "teal" : "gray"} aria-label={ok ? "Done" : "To do"}>
                {ok ? <IconCheck size={14} aria-hidden /> : <IconCircle size={14} aria-hidden />}
              </ThemeIcon>
            }
          >
            {says}
          </List.Item>
        ))}
      </List>
      <Text size="sm" c="dimmed" mt="md">
        The same by program: <Anchor href="/docs">the API</Anchor>.
      </Text>
    </Card>
  );
}
