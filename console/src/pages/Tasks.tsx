/** Every task, found by one box, live, with actions on many. */
import { Button, Group, Stack, Text, Title } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconBan, IconRefresh } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useMemo, useRef, useState } from "react";
import { api, data, type Schemas } from "../api/client";
import { automationsQuery } from "../api/queries";
import { usePageKeys } from "../frame/Keys";
import { hasWords, readFind, type Wanted } from "../lib/find";
import { duration, relative } from "../lib/time";
import { ProblemAlert } from "../parts/Broken";
import { ChosenBar, each, useChosen } from "../parts/Chosen";
import { FindBox } from "../parts/FindBox";
import { PlainState } from "../parts/State";

const route = getRouteApi("/signed-in/tasks");
const PAGE = 200;
const LOOKED_AT = 10_000; // tasks that words are looked for in
type Task = Schemas["TaskSummary"];

function useTasks(wanted: Wanted) {
  const { words, task, ...query } = wanted;
  const tasks = useInfiniteQuery({
    queryKey: ["tasks", query],
    enabled: task === undefined,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => data(api.GET("/v1/tasks", { params: { query: { ...query, limit: PAGE, cursor: pageParam } } })),
    getNextPageParam: (last: Schemas["TaskPage"]) => last.next_cursor ?? undefined,
  });
  const all = useMemo(() => (tasks.data?.pages ?? []).flatMap((page) => page.items), [tasks.data]);
  const found = useMemo(() => all.filter((one) => hasWords(one, words)), [all, words.join(" ")]);
  const looking = words.length > 0 && tasks.hasNextPage && all.length < LOOKED_AT && found.length < PAGE;
  const { fetchNextPage, isFetchingNextPage } = tasks;
  useEffect(() => {
    if (looking && !isFetchingNextPage) void fetchNextPage();
  }, [looking, isFetchingNextPage, fetchNextPage, all.length]);
  return { tasks, all, found, looking };
}

export function Tasks() {
  const { find = "" } = route.useSearch();
  const navigate = useNavigate();
  const client = useQueryClient();
  const automations = useQuery(automationsQuery);
  const names = automations.data?.items.map((one) => one.name) ?? [];
  const [typed, setTyped] = useState(find);
  const [settled] = useDebouncedValue(typed, 200);
  useEffect(() => setTyped(find), [find]);
  useEffect(() => {
    if (settled !== find) void navigate({ to: "/tasks", search: { find: settled || undefined }, replace: true });
  }, [settled]); // only what was typed leads
  const wanted = readFind(find, names);
  useEffect(() => {
    if (wanted.task) void navigate({ to: "/tasks/$taskId", params: { taskId: wanted.task }, replace: true });
  }, [wanted.task, navigate]);
  const { tasks, all, found, looking } = useTasks(wanted);
  const { chosen, choose, clear } = useChosen();
  const follow = (event: React.MouseEvent) => {
    const link = (event.target as Element).closest<HTMLAnchorElement>("a.plain-link");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault(); // the router's way, without a listener in each row
    void navigate({ to: "/tasks/$taskId", params: { taskId: link.pathname.split("/").at(-1)! } });
  };
  usePageKeys([["Escape", clear]]);
  useEffect(() => {
    document.title = "Tasks · Interlock";
  }, []);

  const act = async (verb: "retry" | "cancel") => {
    const wanted = [...chosen];
    clear();
    await each(wanted, verb === "retry" ? "Retried" : "Cancelled", (id) => id, (id) => {
      const params = { path: { task_id: id } };
      return verb === "retry" ? api.POST("/v1/tasks/{task_id}:retry", { params }) : api.POST("/v1/tasks/{task_id}:cancel", { params });
    }); // prettier-ignore
    void client.invalidateQueries({ queryKey: ["tasks"] });
  };

  return (
    <Stack gap="md" onClick={follow}>
      <Group justify="space-between">
        <Title order={1} size="h2">
          Tasks
        </Title>
        <FindBox label="Find tasks" placeholder="ID, correlation, user:…, label=value, state, words" value={typed} onFind={setTyped} width={420} />
      </Group>
      <ChosenBar count={chosen.size} onClear={clear}>
        <Button size="xs" onClick={() => void act("retry")} leftSection={<IconRefresh size={14} aria-hidden />}>
          Retry
        </Button>
        <Button size="xs" color="red" variant="light" onClick={() => void act("cancel")} leftSection={<IconBan size={14} aria-hidden />}>
          Cancel
        </Button>
      </ChosenBar>
      {tasks.isError && <ProblemAlert error={tasks.error} retry={() => void tasks.refetch()} />}
      {tasks.isSuccess && found.length === 0 && !looking && (
        <Text c="dimmed">
          {find ? "No task has all of this." : "There is no task yet. Submit one with: interlock task submit expenses receipt.jpg"}
        </Text>
      )}
      {found.length > 0 && <Table tasks={found} chosen={chosen} onChoose={choose} more={() => tasks.hasNextPage && !tasks.isFetchingNextPage && void tasks.fetchNextPage()} />}
      <Text size="sm" c="dimmed" role="status">
        {looking ? `Looking: ${all.length} so far` : `${found.length}${tasks.hasNextPage ? "+" : ""} tasks`}
      </Text>
    </Stack>
  );
}

const ROW = 44;
const COLUMNS = ["", "State", "What", "By", "Accepted", "Took"];

function Table(props: { tasks: Task[]; chosen: ReadonlySet<string>; onChoose: (id: string) => void; more: () => void }) {
  const { tasks, chosen, onChoose, more } = props;
  const frame = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({ count: tasks.length, getScrollElement: () => frame.current, estimateSize: () => ROW, overscan: 6 });
  const items = rows.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= tasks.length - 20) more();
  }, [last, tasks.length, more]);
  return (
    <div className="task-table" ref={frame} role="table" aria-label="Tasks" aria-rowcount={tasks.length} tabIndex={0}>
      <div role="row" className="task-row task-head">
        {COLUMNS.map((name) => (
          <span role="columnheader" key={name}>
            {name || <span className="unseen">Select</span>}
          </span>
        ))}
      </div>
      <div role="rowgroup" style={{ height: rows.getTotalSize(), position: "relative" }}>
        {items.map((item) => {
          const task = tasks[item.index]!;
          return <Row key={task.id} task={task} index={item.index} top={item.start} chosen={chosen.has(task.id)} onChoose={onChoose} />;
        })}
      </div>
    </div>
  );
}

/** One row, of plain elements: dozens of them are made anew in each frame of a scroll. */
const Row = memo(function Row(props: { task: Task; index: number; top: number; chosen: boolean; onChoose: (id: string) => void }) {
  const { task, index, top, chosen, onChoose } = props;
  const accepted = new Date(task.accepted_at);
  return (
    <div role="row" aria-rowindex={index + 1} className="task-row" style={{ position: "absolute", top, height: ROW, width: "100%" }}>
      <span role="cell">
        <input type="checkbox" className="plain-check" checked={chosen} onChange={() => onChoose(task.id)} aria-label={`Select ${task.id}`} />
      </span>
      <span role="cell">
        <PlainState state={task.state} />
      </span>
      <span role="cell" className="cut">
        <a href={`/console/tasks/${task.id}`} className="plain-link">
          {task.automation}
        </a>{" "}
        <span className="quiet">{saysOf(task)}</span>
      </span>
      <span role="cell" className="cut quiet">
        {task.submitted_by}
      </span>
      <span role="cell" className="quiet">
        <time dateTime={task.accepted_at} title={`${accepted.toISOString().replace("T", " ").slice(0, 19)} UTC`}>
          {relative(accepted.getTime(), Date.now())}
        </time>
      </span>
      <span role="cell" className="quiet">
        {task.ended_at ? duration(new Date(task.ended_at).getTime() - accepted.getTime()) : ""}
      </span>
    </div>
  );
});

/** What a task came to, in a few words: its error, or the short values of its output. */
export function saysOf(task: Pick<Task, "error" | "output" | "id" | "labels">): string {
  const message = task.error?.message;
  if (typeof message === "string") return message;
  const output = typeof task.output === "object" && task.output !== null && !Array.isArray(task.output) ? Object.values(task.output) : [];
  const short = output.filter((value) => (typeof value === "string" || typeof value === "number") && String(value).length < 40);
  if (short.length) return short.slice(0, 5).join(" · ");
  const labels = Object.entries(task.labels).map(([name, value]) => `${name}=${value}`);
  return labels.join(" ") || task.id.slice(-8);
}
