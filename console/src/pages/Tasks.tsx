/** Every task, found by one box, live, with actions on many. */
import { Button, Group, Stack, Text, Title } from "@mantine/core";
import { useLocalStorage, useMediaQuery } from "@mantine/hooks";
import { IconBan, IconCircleCheck, IconRefresh } from "@tabler/icons-react";
import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useState } from "react";
import { api, data, type Schemas } from "../api/client";
import { automationsQuery } from "../api/queries";
import { usePageKeys } from "../frame/Keys";
import { hasWords, readFind, type Wanted } from "../lib/find";
import { timeOf } from "../lib/period";
import type { Question } from "../parts/Ask";
import { AskLater } from "../parts/AskLater";
import { keepList } from "../parts/Back";
import { ProblemAlert } from "../parts/Broken";
import { ChosenBar, each, useChosen } from "../parts/Chosen";
import { FindBox } from "../parts/FindBox";
import { resolveOne, whyResolved } from "../parts/resolve";
import { useTyped } from "../parts/typed";
import { Views } from "../parts/Views";
import { ColumnMenu } from "./tasks/ColumnMenu";
import { readColumns } from "./tasks/columns";
import { Period } from "./tasks/Period";
import { TaskTable } from "./tasks/TaskTable";

const route = getRouteApi("/signed-in/tasks");
const PAGE = 200;
const LOOKED_AT = 10_000; // tasks that words are looked for in

interface Asked extends Wanted {
  accepted_from: string | undefined;
  accepted_to: string | undefined;
}

/** What waits for a person is called as in the inbox, by task: it has no outcome yet that would say whom it is about. */
function useTitles(words: string[]): ReadonlyMap<string, string> {
  const find = words.join(" ");
  const open = useQuery({
    queryKey: ["reviews", "titles", find],
    staleTime: 10_000,
    placeholderData: keepPreviousData,
    queryFn: () => data(api.GET("/v1/reviews", { params: { query: { state: "open", order: "newest", limit: PAGE, ...(find && { find }) } } })),
  });
  return useMemo(() => new Map((open.data?.items ?? []).map((one) => [one.task_id, one.request.title])), [open.data]);
}

function useTasks(wanted: Asked) {
  const { words, task, ...query } = wanted;
  const titles = useTitles(words);
  const tasks = useInfiniteQuery({
    queryKey: ["tasks", query],
    enabled: task === undefined,
    structuralSharing: false, // holding thousands of tasks against those before costs more than filling the rows on the screen
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => data(api.GET("/v1/tasks", { params: { query: { ...query, limit: PAGE, cursor: pageParam } } })),
    getNextPageParam: (last: Schemas["TaskPage"]) => last.next_cursor ?? undefined,
  });
  const all = useMemo(() => (tasks.data?.pages ?? []).flatMap((page) => page.items), [tasks.data]);
  const found = useMemo(() => all.filter((one) => hasWords(one, words) || hasWords({ title: titles.get(one.id) }, words)), [all, titles, words.join(" ")]);
  const looking = words.length > 0 && tasks.hasNextPage && all.length < LOOKED_AT && found.length < PAGE;
  const { fetchNextPage, isFetchingNextPage } = tasks;
  useEffect(() => {
    if (looking && !isFetchingNextPage) void fetchNextPage();
  }, [looking, isFetchingNextPage, fetchNextPage, all.length]);
  return { tasks, all, found, looking, titles };
}

export function Tasks() {
  const { find = "", columns, since, until, view } = route.useSearch();
  const search = { find: find || undefined, columns, since, until, view };
  useEffect(() => keepList("/tasks", search), Object.values(search));
  const navigate = useNavigate();
  const narrowTo = (change: Partial<typeof search>) => void navigate({ to: "/tasks", search: { ...search, ...change }, replace: true });
  const client = useQueryClient();
  const automations = useQuery(automationsQuery);
  const names = automations.data?.items.map((one) => one.name) ?? [];
  const [typed, type] = useTyped(find, (text) => narrowTo({ find: text || undefined }), 200);
  const wanted = readFind(find, names);
  useEffect(() => {
    if (wanted.task) void navigate({ to: "/tasks/$taskId", params: { taskId: wanted.task }, replace: true });
  }, [wanted.task, navigate]);
  const from = useMemo(() => timeOf(since, Date.now()), [since]);
  const to = useMemo(() => timeOf(until, Date.now()), [until]);
  const { tasks, all, found, looking, titles } = useTasks({ ...wanted, accepted_from: from, accepted_to: to });
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = tasks;
  const more = useCallback(() => void (hasNextPage && !isFetchingNextPage && fetchNextPage()), [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const narrow = useMediaQuery("(max-width: 48em)", undefined, { getInitialValueInEffect: false });
  const [kept, keep] = useLocalStorage({ key: "interlock.task-columns", defaultValue: "", getInitialValueInEffect: false });
  const shown = useMemo(() => readColumns(columns ?? kept, narrow), [columns, kept, narrow]);
  const { chosen, choose, clear } = useChosen();
  const [question, setQuestion] = useState<Question | null>(null);
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

  const resolve = () =>
    setQuestion(
      whyResolved(`Mark ${chosen.size === 1 ? "it" : `${chosen.size} tasks`} as resolved`, "tasks", async (note) => {
        await each([...chosen], "Resolved", (id) => id, (id) => resolveOne(id, note)); // prettier-ignore
        clear();
      }),
    );

  return (
    <Stack gap="md" onClick={follow}>
      <Group justify="space-between">
        <Title order={1} size="h2">
          Tasks
        </Title>
        <Group gap="xs">
          <FindBox label="Find tasks" placeholder="ID, correlation, user:…, label=value, state, words" value={typed} onFind={type} width={420} />
          <Period since={since} until={until} onChange={narrowTo} />
          <ColumnMenu
            shown={shown}
            onShow={(chosen) => {
              keep(chosen.join());
              narrowTo({ columns: chosen.join() });
            }}
          />
          <Views page="tasks" filters={{ find, columns, since, until }} picked={view} />
        </Group>
      </Group>
      <AskLater question={question} onClose={() => setQuestion(null)} />
      <ChosenBar count={chosen.size} onClear={clear}>
        <Button size="xs" onClick={() => void act("retry")} leftSection={<IconRefresh size={14} aria-hidden />}>
          Retry
        </Button>
        <Button size="xs" color="red" variant="light" onClick={() => void act("cancel")} leftSection={<IconBan size={14} aria-hidden />}>
          Cancel
        </Button>
        <Button size="xs" variant="default" onClick={resolve} leftSection={<IconCircleCheck size={14} aria-hidden />}>
          Mark as resolved
        </Button>
      </ChosenBar>
      {tasks.isError && <ProblemAlert error={tasks.error} retry={() => void tasks.refetch()} />}
      {tasks.isSuccess && found.length === 0 && !looking && (
        <Text c="dimmed">
          {find || since || until ? "No task has all of this." : "There is no task yet. Submit one with: interlock task submit expenses receipt.jpg"}
        </Text>
      )}
      {found.length > 0 && <TaskTable tasks={found} titles={titles} shown={shown} chosen={chosen} onChoose={choose} more={more} />}
      <Text size="sm" c="dimmed" role="status">
        {looking ? `Looking: ${all.length} so far` : `${found.length}${tasks.hasNextPage ? "+" : ""} tasks`}
      </Text>
    </Stack>
  );
}
