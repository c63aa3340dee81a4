/** One automation: what it is for and may do, how it did, how its tasks usually go, and a form to try it. */
import { Badge, Card, Code, Group, SimpleGrid, Stack, Tabs, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useEffect } from "react";
import type { Schemas } from "../../api/client";
import { automationQuery, numbersQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import { duration } from "../../lib/time";
import { Back } from "../../parts/Back";
import { ProblemAlert, ProblemPage } from "../../parts/Broken";
import { Json } from "../../parts/Json";
import { AnchorLink } from "../../parts/Link";
import { Loading } from "../../parts/Loading";
import { ModelLink } from "./ModelLink";
import { costPerTask, millis, share } from "./numbers";
import { TryIt } from "./TryIt";
import { UsualPath } from "./UsualPath";
import { Facts } from "../../parts/Facts";
import { TabRow } from "../../parts/TabRow";

const route = getRouteApi("/signed-in/automations/$name");

export function AutomationPage() {
  const { name } = route.useParams();
  const automation = useQuery(automationQuery(name));
  useEffect(() => {
    document.title = `${name} · Interlock`;
  }, [name]);
  if (automation.isError) return <ProblemPage title={name} error={automation.error} retry={() => void automation.refetch()} />;
  if (!automation.data) return <Loading what="The automation" />;
  return <Loaded automation={automation.data} />;
}

function Loaded({ automation }: { automation: Schemas["Automation"] }) {
  const session = useSession();
  const sees = session.may.includes("task.list");
  return (
    <Stack gap="md" maw={1100}>
      <Stack gap={4} align="flex-start">
        <Back to="/automations">Automations</Back>
        <Group gap="sm">
          <Title order={1} size="h2">
            {automation.name}
          </Title>
          <Badge variant="default" tt="none">
            {automation.version}
          </Badge>
        </Group>
        <Text>{automation.goal}</Text>
      </Stack>
      {sees && <Numbers name={automation.name} />}
      <Tabs defaultValue={automation.may_submit ? "try" : "about"} keepMounted={false}>
        <TabRow>
          {automation.may_submit && <Tabs.Tab value="try">Try it</Tabs.Tab>}
          <Tabs.Tab value="about">What it is</Tabs.Tab>
          {sees && <Tabs.Tab value="path">Usual path</Tabs.Tab>}
          <Tabs.Tab value="schemas">Input and output</Tabs.Tab>
        </TabRow>
        <Tabs.Panel value="try" pt="md">
          <TryIt automation={automation} />
        </Tabs.Panel>
        <Tabs.Panel value="about" pt="md">
          <About automation={automation} />
        </Tabs.Panel>
        <Tabs.Panel value="path" pt="md">
          <UsualPath name={automation.name} />
        </Tabs.Panel>
        <Tabs.Panel value="schemas" pt="md">
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            {([["Input", automation.input_schema], ["Output", automation.output_schema]] as const).map(([label, schema]) => (
              <Stack key={label} gap="xs" miw={0}>
                <Title order={2} size="h5">
                  {label}
                </Title>
                <Json value={schema} label={`the ${label.toLowerCase()}'s schema`} />
              </Stack>
            ))}
          </SimpleGrid>
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

function Numbers({ name }: { name: string }) {
  const numbers = useQuery(numbersQuery);
  if (numbers.isError) return <ProblemAlert error={numbers.error} retry={() => void numbers.refetch()} />;
  const own = numbers.data?.items.find((one) => one.automation === name);
  const tiles: [string, string | number][] = [
    ["Straight through", share(own)],
    ["p95", millis(own?.p95_ms)],
    ["Cost per task", costPerTask(own)],
    ["Failed", own?.failed ?? 0],
  ];
  return (
    <Stack gap={4}>
      <SimpleGrid cols={{ base: 2, sm: 4 }}>
        {tiles.map(([label, value]) => (
          <Card key={label} withBorder padding="sm">
            <Text size="sm" c="dimmed">
              {label}
            </Text>
            <Text fz={22} fw={700} className={label === "Failed" && own?.failed ? "bad" : undefined}>
              {value}
            </Text>
          </Card>
        ))}
      </SimpleGrid>
      <Text size="sm" c="dimmed">
        Of {own?.tasks ?? 0} tasks in 30 days.{" "}
        <AnchorLink to="/tasks" search={{ find: name }} size="sm" underline="always">
          See the tasks
        </AnchorLink>
      </Text>
    </Stack>
  );
}

function About({ automation }: { automation: Schemas["Automation"] }) {
  const facts: [string, React.ReactNode][] = [
    ["Owner", automation.owner],
    ["Aims to end within", automation.complete_within === null ? "nothing is promised" : duration(automation.complete_within * 1000)],
    [
      "May do",
      <Group gap={6} key="may">
        {automation.effects.map((effect) => (
          <Code key={effect}>{effect}</Code>
        ))}
      </Group>,
    ],
    [
      "Models",
      automation.models.length === 0 ? (
        "none"
      ) : (
        <Stack gap={4} key="models">
          {automation.models.map((model) => (
            <ModelLink key={model.name} automation={automation.name} model={model} />
          ))}
        </Stack>
      ),
    ],
    ["Policy version", <Code key="policy" className="mono">{automation.policy_version}</Code>],
    ["Code", <Code key="code" className="mono">{automation.digest}</Code>],
  ]; // prettier-ignore
  return (
    <Stack gap="md">
      {automation.description && <Text className="prose">{automation.description}</Text>}
      <Facts facts={facts} />
    </Stack>
  );
}
