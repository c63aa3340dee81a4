/** One task: its state, its course, its documents and its records. */
import { Alert, Button, Card, Code, CopyButton, Group, Menu, SegmentedControl, Stack, Tabs, Text, Title } from "@mantine/core"; // prettier-ignore
import { notifications } from "@mantine/notifications";
import { IconBan, IconCircleCheck, IconCode, IconDownload, IconRefresh } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { taskQuery, timelineQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import { documentsIn, readFields } from "../../lib/task";
import { duration } from "../../lib/time";
import type { Question } from "../../parts/Ask";
import { AskLater } from "../../parts/AskLater";
import { ProblemAlert, ProblemPage } from "../../parts/Broken";
import { saysOf } from "../../lib/task";
import { Back } from "../../parts/Back";
import { AnchorLink } from "../../parts/Link";
import { Loading } from "../../parts/Loading";
import { Json } from "../../parts/Json";
import { reopenOne, RESOLVABLE, resolveOne, whyResolved } from "../../parts/resolve";
import { State } from "../../parts/State";
import { Countdown, Time } from "../../parts/Time";
import { DocumentView } from "../review/DocumentView";
import { Gantt } from "./Gantt";
import { Lineage } from "./Lineage";
import { Records } from "./Records";
import { TabRow } from "../../parts/TabRow";

const route = getRouteApi("/signed-in/tasks/$taskId");
const ENDED = ["succeeded", "failed", "cancelled"];
type Show = "all" | "failed" | "pending";
const NOTHING: Record<Show, string> = { all: "Nothing has happened yet.", failed: "Nothing has failed.", pending: "Nothing is pending." };

export function TaskPage() {
  const { taskId } = route.useParams();
  const task = useQuery(taskQuery(taskId));
  const timeline = useQuery(timelineQuery(taskId));
  if (task.isError) return <ProblemPage title="Task" error={task.error} retry={() => void task.refetch()} />;
  if (timeline.isError) return <ProblemPage title="Task" error={timeline.error} retry={() => void timeline.refetch()} />;
  if (!task.data || !timeline.data) return <Loading what="The task" />;
  return <Loaded task={task.data} timeline={timeline.data} />;
}

function Loaded({ task, timeline }: { task: Schemas["Task"]; timeline: Schemas["Timeline"] }) {
  const client = useQueryClient();
  const session = useSession();
  const [show, setShow] = useState<Show>("all");
  const [opened, setOpened] = useState<string | null>(null);
  const [question, setQuestion] = useState<Question | null>(null);
  const reopen = useMutation({
    mutationFn: () => reopenOne(task.id),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["task", task.id] }),
  });
  const act = useMutation({
    mutationFn: (verb: "retry" | "cancel") => {
      const params = { path: { task_id: task.id } };
      return verb === "retry" ? data(api.POST("/v1/tasks/{task_id}:retry", { params })) : data(api.POST("/v1/tasks/{task_id}:cancel", { params }));
    },
    onSuccess: (_, verb) => {
      notifications.show({ color: "teal", title: verb === "retry" ? "It goes on from what failed" : "It is being cancelled", message: task.id });
      void client.invalidateQueries({ queryKey: ["task", task.id] });
    },
  });
  useEffect(() => {
    document.title = `${task.automation} ${task.state} · Interlock`;
  }, [task.automation, task.state]);
  const effects = timeline.effects.filter((effect) =>
    show === "all" ? true : show === "failed" ? ["failed", "denied", "expired"].includes(effect.status) || (effect.failed_attempts?.length ?? 0) > 0 : effect.status === "pending",
  );
  const documents = useMemo(() => documentsIn(timeline.effects.map((effect) => effect.input)), [timeline.effects]);
  const took = task.ended_at ? duration(new Date(task.ended_at).getTime() - new Date(task.accepted_at).getTime()) : null;
  const review = timeline.effects.find((effect) => effect.status === "pending" && effect.review_id);

  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-start">
        <Stack gap={4} align="flex-start">
          <Back to="/tasks">Tasks</Back>
          <Group gap="sm">
            <Title order={1} size="h3">
              {task.automation}
            </Title>
            <State state={task.state} size="md" />
          </Group>
          {task.ended_at && !task.error && <Text>{saysOf(task)}</Text>}
          <Group gap="md" fz="sm" c="dimmed">
            <Code>{task.id}</Code>
            <span>by {task.submitted_by}</span>
            <Time at={task.accepted_at} />
            {took ? <span>took {took}</span> : <Countdown until={task.deadline} />}
            <span>${timeline.cost_usd}</span>
            {Object.entries(task.labels).map(([name, value]) => (
              <AnchorLink key={name} to="/tasks" search={{ find: `${name}=${value}` }} size="sm">
                {name}={value}
              </AnchorLink>
            ))}
            <AnchorLink to="/tasks" search={{ find: task.correlation_id }} size="sm">
              same correlation
            </AnchorLink>
          </Group>
        </Stack>
        <Group gap="xs">
          {["failed", "blocked"].includes(task.state) && (
            <Button size="xs" onClick={() => act.mutate("retry")} loading={act.isPending} leftSection={<IconRefresh size={14} aria-hidden />}>
              Retry
            </Button>
          )}
          {!ENDED.includes(task.state) && (
            <Button size="xs" variant="light" color="red" onClick={() => act.mutate("cancel")} loading={act.isPending} disabled={task.cancel_requested} leftSection={<IconBan size={14} aria-hidden />}>
              {task.cancel_requested ? "Being cancelled" : "Cancel"}
            </Button>
          )}
          {RESOLVABLE.includes(task.state) && !task.resolved && (
            <Button size="xs" variant="default" onClick={() => setQuestion(whyResolved("Mark it as resolved", "task", (note) => resolveOne(task.id, note)))} leftSection={<IconCircleCheck size={14} aria-hidden />}>
              Mark as resolved
            </Button>
          )}
          <CopyAs task={task} timeline={timeline} />
        </Group>
      </Group>
      {act.isError && <ProblemAlert error={act.error} />}
      {reopen.isError && <ProblemAlert error={reopen.error} />}
      {task.resolved && (
        <Alert color="teal" role="status" title={`${task.resolved.by} has resolved it`}>
          <Group justify="space-between" gap="sm">
            <Text size="sm">
              <Time at={task.resolved.at} /> {task.resolved.note ?? "The note was erased."}
            </Text>
            <Button size="xs" variant="default" onClick={() => reopen.mutate()} loading={reopen.isPending}>
              Reopen
            </Button>
          </Group>
        </Alert>
      )}
      {task.error && (
        <Alert color={task.state === "blocked" ? "orange" : "red"} title={String(task.error.kind ?? "It failed")}>
          {String(task.error.message ?? "")}
        </Alert>
      )}
      {review?.review_id && (
        <Alert color="yellow" title="A person is asked">
          <AnchorLink to="/reviews/$reviewId" params={{ reviewId: review.review_id }}>
            {review.name}
          </AnchorLink>
        </Alert>
      )}
      <Tabs defaultValue="timeline" keepMounted={false}>
        <TabRow>
          <Tabs.Tab value="timeline">Timeline</Tabs.Tab>
          {documents.length > 0 && <Tabs.Tab value="document">Document</Tabs.Tab>}
          <Tabs.Tab value="output">Output</Tabs.Tab>
          <Tabs.Tab value="lineage">Lineage</Tabs.Tab>
          {session.may.includes("audit.read") && <Tabs.Tab value="records">Audit records</Tabs.Tab>}
        </TabRow>
        <Tabs.Panel value="timeline" pt="sm">
          <Stack gap="sm">
            <SegmentedControl
              size="xs"
              w="fit-content"
              value={show}
              onChange={(value) => setShow(value as Show)}
              aria-label="Which effects"
              data={[
                { value: "all", label: `All ${timeline.effects.length}` },
                { value: "failed", label: "Failed only" },
                { value: "pending", label: "Pending only" },
              ]}
            />
            <Card withBorder padding="xs">
              <Gantt taskId={task.id} nothing={NOTHING[show]} effects={effects} opened={opened} onOpen={setOpened} />
            </Card>
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="document" pt="sm">
          <DocumentView documents={documents} fields={readFields(timeline.effects)} current={null} onSelect={() => undefined} />
        </Tabs.Panel>
        <Tabs.Panel value="output" pt="sm">
          {task.output === null || task.output === undefined ? <Text c="dimmed">It has none yet.</Text> : <Json value={task.output} label="the output" />}
        </Tabs.Panel>
        <Tabs.Panel value="lineage" pt="sm">
          <Lineage taskId={task.id} />
        </Tabs.Panel>
        <Tabs.Panel value="records" pt="sm">
          <Records taskId={task.id} />
        </Tabs.Panel>
      </Tabs>
      <AskLater question={question} onClose={() => setQuestion(null)} />
    </Stack>
  );
}

function CopyAs({ task, timeline }: { task: Schemas["Task"]; timeline: Schemas["Timeline"] }) {
  const url = `${location.origin}/v1/tasks/${task.id}`;
  const curl = `curl -H "Authorization: Bearer $INTERLOCK_API_KEY" ${url}/timeline`;
  const python = `import os, httpx\n\nkey = os.environ["INTERLOCK_API_KEY"]\ntask = httpx.get("${url}", headers={"Authorization": f"Bearer {key}"}).json()\nprint(task["state"], task["output"])\n`;
  const download = () => {
    const blob = new Blob([JSON.stringify({ task, timeline }, null, 2)], { type: "application/json" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${task.id}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <Menu>
      <Menu.Target>
        <Button size="xs" variant="default" leftSection={<IconCode size={14} aria-hidden />}>
          Take along
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {[["curl", curl] as const, ["Python", python] as const].map(([name, value]) => (
          <CopyButton key={name} value={value}>
            {({ copied, copy }) => (
              <Menu.Item closeMenuOnClick={false} onClick={copy}>
                {copied ? "Copied" : `Copy as ${name}`}
              </Menu.Item>
            )}
          </CopyButton>
        ))}
        <Menu.Item onClick={download} leftSection={<IconDownload size={14} aria-hidden />}>
          Download as JSON
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
