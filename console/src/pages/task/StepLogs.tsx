/** What a step wrote while it ran, by attempt. Read when somebody opens it. */
import { Button, Code, CopyButton, Group, SegmentedControl, Stack, Text, TextInput } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { asText, byAttempt, cutNote, kindOf, type LogLine, narrowed } from "../../lib/logs";
import { ProblemAlert } from "../../parts/Broken";
import { Loading } from "../../parts/Loading";
import { More } from "../../parts/More";
import "./logs.css";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" });
const TONE: Record<string, string> = { warning: "warn", error: "bad", critical: "bad", cut: "warn" };
const FROM = [
  { value: "debug", label: "All" },
  { value: "warning", label: "Warnings" },
  { value: "error", label: "Errors" },
];
const EXAMPLE = `import logging

log = logging.getLogger(__name__)

@step
def pay_back(order: str) -> str:
    log.info("paying back order %s", order)`;

export function StepLogs({ taskId, effect }: { taskId: string; effect: Schemas["TimelineEffect"] }) {
  const [find, setFind] = useState("");
  const [level, setLevel] = useState("debug");
  const logs = useInfiniteQuery({
    queryKey: ["task", taskId, "logs", effect.id, effect.generation],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => {
      const query = { effect: effect.id, generation: effect.generation ?? 1, limit: 200, cursor: pageParam };
      return data(api.GET("/v1/tasks/{task_id}/logs", { params: { path: { task_id: taskId }, query } }));
    },
    getNextPageParam: (last: Schemas["LogPage"]) => last.next_cursor ?? undefined,
    refetchInterval: effect.status === "pending" ? 3_000 : false,
  });
  if (logs.isError) return <ProblemAlert error={logs.error} retry={() => void logs.refetch()} />;
  if (!logs.data) return <Loading what="The logs" height={80} />;
  const lines = logs.data.pages.flatMap((page) => page.items);
  if (lines.length === 0) return <Teaching />;
  const shown = narrowed(lines, find, level);
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <TextInput size="xs" aria-label="Find in the logs" placeholder="Find in the logs" value={find} onChange={(event) => setFind(event.currentTarget.value)} />
        <SegmentedControl size="xs" aria-label="Least severe level" data={FROM} value={level} onChange={setLevel} />
        <CopyButton value={asText(shown)}>
          {({ copied, copy }) => (
            <Button size="xs" variant="default" onClick={copy} leftSection={copied ? <IconCheck size={14} aria-hidden /> : <IconCopy size={14} aria-hidden />}>
              {copied ? "Copied" : "Copy"}
            </Button>
          )}
        </CopyButton>
        <Text size="xs" className="quiet" role="status">
          {shown.length === lines.length ? `${lines.length} lines` : `${shown.length} of ${lines.length} lines`}
          {logs.hasNextPage && ", and there are more"}
        </Text>
      </Group>
      {shown.length === 0 && <Text size="sm">No line that was read fits.</Text>}
      {byAttempt(shown).map(([attempt, own]) => (
        <Attempt key={attempt} attempt={attempt} lines={own} />
      ))}
      <More of={logs}>More lines</More>
    </Stack>
  );
}

function Attempt({ attempt, lines }: { attempt: number; lines: LogLine[] }) {
  const title = `Attempt ${attempt}`;
  return (
    <Stack gap={4}>
      <Text size="sm" fw={600}>
        {title}
      </Text>
      <div className="logs" role="region" aria-label={`Logs of attempt ${attempt}`} tabIndex={0}>
        <ol role="list">
          {lines.map((line, number) => (
            <li key={number}>
              <time dateTime={line.at} title={`${line.at.replace("T", " ").replace("Z", "")} UTC`} className="quiet">
                {clock.format(new Date(line.at))}
              </time>
              <span className={TONE[kindOf(line)] ?? "quiet"}>{kindOf(line)}</span>
              <span className="logs-text" title={line.logger ?? undefined}>
                {line.text}
                {line.cut_chars > 0 && <span className="warn">{cutNote(line)}</span>}
              </span>
            </li>
          ))}
        </ol>
      </div>
    </Stack>
  );
}

/** Nothing is there: how something gets there. */
function Teaching() {
  return (
    <Stack gap="xs">
      <Text size="sm">This step wrote nothing. What its code prints, or gives to <Code>logging</Code>, stands here by attempt, with time and level:</Text>
      <Code block tabIndex={0} role="region" aria-label="An example">
        {EXAMPLE}
      </Code>
      <Text size="sm" className="quiet">
        Values of the secrets that a step declares are masked. Logs are erased with the task. On the command line: <Code>interlock task logs</Code>.
      </Text>
    </Stack>
  );
}
