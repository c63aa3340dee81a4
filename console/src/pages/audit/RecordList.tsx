/** Records, newest first or in the order of the log; an opened one shows its facts, the values before and after, and its proof. */
import { Accordion, Button, Code, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { reviewQuery, taskQuery, timelineQuery } from "../../api/queries";
import { actorOf, asQuery, type AuditFilter, type Facts, factsOf, textOf, whatOf } from "../../lib/audit";
import { type AuditRecord, RecordDetails, Verified } from "../../parts/AuditRecord";
import { ProblemAlert } from "../../parts/Broken";
import { AnchorLink } from "../../parts/Link";
import { ChangeTable, Changed } from "./Changes";
import { Loading } from "../../parts/Loading";
import { Time } from "../../parts/Time";
import { More } from "../../parts/More";

const PAGE = 25; // each names its actor from what stands beside the log

export function RecordList({ filter, newest, onOrder }: { filter: AuditFilter; newest: boolean; onOrder: (newest: boolean) => void }) {
  const [opened, setOpened] = useState<string[]>([]);
  const [all, setAll] = useState(false);
  const records = useInfiniteQuery({
    queryKey: ["audit-records", filter, newest],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      data(api.GET("/v1/audit/records", { params: { query: { ...asQuery(filter), newest, limit: PAGE, cursor: pageParam } } })),
    getNextPageParam: (last: Schemas["AuditPage"]) => last.next_cursor ?? undefined,
  });
  if (records.isError) return <ProblemAlert error={records.error} retry={() => void records.refetch()} />;
  if (!records.data) return <Loading what="This part of the log" height={320} />;
  const items = records.data.pages.flatMap((page) => page.items);
  if (items.length === 0) return <Text c="dimmed">No record fits all of this. What happened within the last second has no place in the log yet.</Text>;
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Text size="sm" c="dimmed" role="status">
          {items.length}
          {records.hasNextPage ? "+" : ""} {items.length === 1 ? "record" : "records"}
        </Text>
        <SegmentedControl size="xs" aria-label="Order" value={newest ? "newest" : "oldest"} onChange={(value) => onOrder(value === "newest")} data={[{ value: "newest", label: "Newest first" }, { value: "oldest", label: "Oldest first" }]} />
        <Button size="compact-sm" variant="default" onClick={() => setAll(true)} disabled={all}>
          Verify all that are shown
        </Button>
      </Group>
      <Accordion variant="contained" chevronPosition="left" multiple value={opened} onChange={setOpened}>
        {items.map((record) => {
          const key = String(record.position);
          const open = opened.includes(key);
          return (
            <Accordion.Item key={key} value={key}>
              <Accordion.Control>
                <Row record={record} check={all || open} />
              </Accordion.Control>
              <Accordion.Panel>{open && <Opened record={record} />}</Accordion.Panel>
            </Accordion.Item>
          );
        })}
      </Accordion>
      <More of={records}>More records</More>
    </Stack>
  );
}

/** What stands beside the log about a record: read once for all records of a task or a review. */
function useJoined(facts: Facts) {
  const kind = textOf(facts, "kind") ?? "";
  const task = textOf(facts, "task");
  const review = textOf(facts, "review");
  const tasks = useQuery({ ...taskQuery(task ?? ""), enabled: task !== null });
  const timeline = useQuery({ ...timelineQuery(task ?? ""), enabled: task !== null && kind === "effect" });
  const reviews = useQuery({ ...reviewQuery(review ?? ""), enabled: review !== null });
  return { task: tasks.data, review: reviews.data, effects: timeline.data?.effects };
}

function Row({ record, check }: { record: AuditRecord; check: boolean }) {
  const facts = factsOf(record.leaf);
  const { task, review, effects } = useJoined(facts);
  const actor = actorOf(facts, { submittedBy: task?.submitted_by, review, effects }) ?? record.by;
  const what = whatOf(facts);
  const at = textOf(facts, "at");
  return (
    <Group justify="space-between" gap="xs">
      <Group gap="sm">
        <Code>#{record.position}</Code>
        <Text size="sm" fw={500}>
          {textOf(facts, "kind")}
        </Text>
        {what && (
          <Text size="sm" c="dimmed" className="mono">
            {what}
          </Text>
        )}
      </Group>
      <Group gap="sm" fz="sm" c="dimmed">
        {actor && <span>by {actor}</span>}
        {task && actor !== task.submitted_by && <span>for {task.submitted_by}</span>}
        {at && <Time at={at} ago />}
        <Verified record={record} enabled={check} />
      </Group>
    </Group>
  );
}

function Opened({ record }: { record: AuditRecord }) {
  const facts = factsOf(record.leaf);
  const { task, review } = useJoined(facts);
  const changes = textOf(facts, "kind") === "review.answered" ? (review?.answer?.changes ?? []) : [];
  return (
    <RecordDetails record={record}>
      <Group gap="md" fz="sm">
        {record.task_id && (
          <AnchorLink to="/tasks/$taskId" params={{ taskId: record.task_id }} size="sm">
            To the task
          </AnchorLink>
        )}
        {task && <span className="quiet">{task.automation}</span>}
        {record.task_id && (
          <AnchorLink to="/audit" search={{ task: record.task_id }} size="sm">
            All records of the task
          </AnchorLink>
        )}
        {task && (
          <AnchorLink to="/audit" search={{ correlation: task.correlation_id }} size="sm">
            Same correlation
          </AnchorLink>
        )}
        {review && (
          <AnchorLink to="/reviews/$reviewId" params={{ reviewId: review.id }} size="sm">
            To the review
          </AnchorLink>
        )}
      </Group>
      {changes.length > 0 && <ChangeTable label="What the answer changed" rows={changes.map((one) => ({ field: one.pointer, before: one.before, after: one.after }))} />}
      {!record.task_id && <Changed position={record.position} />}
    </RecordDetails>
  );
}
