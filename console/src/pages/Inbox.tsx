/** The inbox: what waits for a person, in queues, with why and how long. */
import { Badge, Button, Card, Checkbox, Group, Stack, Tabs, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconArrowDown, IconEqual, IconInboxOff, IconUsers } from "@tabler/icons-react";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import type { Schemas } from "../api/client";
import { type Queue, reviewQuery, reviewsQuery } from "../api/queries";
import { usePageKeys } from "../frame/Keys";
import { matches, type Review, type Risk, riskOf } from "../lib/review";
import { ProblemAlert } from "../parts/Broken";
import { ChosenBar, each, useChosen } from "../parts/Chosen";
import { FindBox } from "../parts/FindBox";
import { AnchorLink } from "../parts/Link";
import { State } from "../parts/State";
import { Countdown, Time, useNow } from "../parts/Time";
import { answer, HOLD_S } from "./review/answer";
import { useUndo } from "./review/undo";
import { More } from "../parts/More";

const route = getRouteApi("/signed-in/inbox");
const QUEUES: [Queue, string][] = [
  ["open", "All open"],
  ["mine", "Mine"],
  ["unassigned", "Unassigned"],
  ["done", "Done"],
];
const UNDO = `Each can be taken back for ${HOLD_S} s on its page.`;
const EMPTY: Record<Queue, string> = {
  open: "Nothing waits for a person. A task opens a review when a policy is not sure.",
  mine: "You have claimed nothing. Open a review and press c.",
  unassigned: "Everything that is open has somebody.",
  done: "Nothing was answered yet.",
};

export function Inbox() {
  const { queue = "open", find = "" } = route.useSearch();
  const navigate = useNavigate();
  const client = useQueryClient();
  const reviews = useInfiniteQuery(reviewsQuery(queue));
  const found = useMemo(() => {
    const all = (reviews.data?.pages ?? []).flatMap((page) => page.items);
    return find ? all.filter((review) => matches(review, find)) : all;
  }, [reviews.data, find]);
  const [at, setAt] = useState(0);
  const { chosen, choose, clear } = useChosen();
  const current = found[Math.min(at, found.length - 1)];
  const undo = useUndo();

  useEffect(() => {
    document.title = `Inbox (${found.length}) · Interlock`;
  }, [found.length]);
  useEffect(() => {
    if (current) void client.prefetchQuery(reviewQuery(current.id)); // before it is asked for
  }, [client, current]);

  const open = (review: Review) =>
    void navigate({ to: "/reviews/$reviewId", params: { reviewId: review.id }, search: { queue } });
  const move = (by: number) => {
    const next = Math.max(0, Math.min(found.length - 1, at + by));
    setAt(next);
    document.getElementById(`review-${found[next]?.id}`)?.scrollIntoView({ block: "nearest" });
  };
  const approve = async () => {
    const wanted = found.filter((review) => chosen.has(review.id));
    if (queue === "done" || wanted.length === 0) return;
    clear();
    await each(wanted, "Approved", (review) => review.request.title, (review) => answer(review, { verdict: "approve" }), UNDO); // prettier-ignore
    void client.invalidateQueries({ queryKey: ["reviews"] });
  };
  usePageKeys([
    ["j", () => move(1)],
    ["k", () => move(-1)],
    ["ArrowDown", () => move(1)],
    ["ArrowUp", () => move(-1)],
    ["Enter", () => current && open(current)],
    ["x", () => current && choose(current.id)],
    ["a", () => void approve()],
    ["u", () => undo()],
    ["Escape", clear],
  ]); // prettier-ignore

  return (
    <Stack gap="md" maw={1100}>
      <Group justify="space-between">
        <Title order={1} size="h2">
          Inbox
        </Title>
        <FindBox
          label="Find in the inbox"
          placeholder="Find: merchant, person, ID"
          value={find}
          onFind={(text) => void navigate({ to: "/inbox", search: { queue, find: text || undefined }, replace: true })}
          width={280}
        />
      </Group>
      <Tabs value={queue} onChange={(value) => { setAt(0); clear(); void navigate({ to: "/inbox", search: { queue: value as Queue } }); }}>
        <Tabs.List>
          {QUEUES.map(([name, label]) => (
            <Tabs.Tab key={name} value={name}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
      </Tabs>
      <ChosenBar count={chosen.size} onClear={clear}>
        <Button size="xs" onClick={() => void approve()}>
          Approve selected
        </Button>
      </ChosenBar>
      {reviews.isError && <ProblemAlert error={reviews.error} retry={() => void reviews.refetch()} />}
      {reviews.isSuccess && found.length === 0 && (
        <Card withBorder ta="center" padding="xl">
          <IconInboxOff size={32} aria-hidden className="empty-icon" />
          <Text mt="sm">{find ? `Nothing here has “${find}”.` : EMPTY[queue]}</Text>
        </Card>
      )}
      <Stack gap="xs" component="ul" p={0} m={0} role="list">
        {found.map((review, number) => (
          <Row
            key={review.id}
            review={review}
            queue={queue}
            current={number === at}
            chosen={chosen.has(review.id)}
            onChoose={() => choose(review.id)}
          />
        ))}
      </Stack>
      <More of={reviews} />
    </Stack>
  );
}

const RISKS: Record<Risk, [string, string, typeof IconEqual]> = {
  high: ["red", "High", IconAlertTriangle],
  medium: ["orange", "Medium", IconEqual],
  low: ["gray", "Low", IconArrowDown],
};

function RiskBadge({ review }: { review: Review }) {
  const now = useNow(60_000);
  const [color, word, Icon] = RISKS[riskOf(review, now)];
  return (
    <Badge color={color} variant="light" tt="none" leftSection={<Icon size={12} aria-hidden />}>
      {word} risk
    </Badge>
  );
}

function Row(props: { review: Review; queue: Queue; current: boolean; chosen: boolean; onChoose: () => void }) {
  const { review, queue, current, chosen, onChoose } = props;
  return (
    <Card component="li" withBorder padding="sm" className="row-link" data-current={current} id={`review-${review.id}`}>
      <Group wrap="nowrap" align="flex-start" gap="sm">
        {review.state === "open" && (
          <Checkbox checked={chosen} onChange={onChoose} aria-label={`Select ${review.request.title}`} mt={4} />
        )}
        <Stack gap={4} flex={1} miw={0}>
          <Group justify="space-between" gap="xs">
            <AnchorLink to="/reviews/$reviewId" params={{ reviewId: review.id }} search={{ queue }} fw={600} className="title-link" truncate>
              {review.request.title}
            </AnchorLink>
            <Group gap="xs">
              {review.state === "open" ? <RiskBadge review={review} /> : <State state={verdict(review)} />}
              {review.approvals_needed > 1 && (
                <Badge variant="default" tt="none" leftSection={<IconUsers size={12} aria-hidden />}>
                  {review.approvals.filter((one) => one.counts).length} of {review.approvals_needed}
                </Badge>
              )}
            </Group>
          </Group>
          {review.request.reasons[0] && (
            <Text size="sm" lineClamp={2}>
              {review.request.reasons.join(" · ")}
            </Text>
          )}
          <Group gap="md" fz="sm" c="dimmed">
            <span>{review.automation}</span>
            <span>{review.subject ?? review.task_submitted_by}</span>
            <span>{review.assignee ? `with ${review.assignee}` : `for ${review.role}`}</span>
            <Time at={review.opened_at} ago />
            {review.state === "open" ? <Countdown until={review.deadline} /> : review.answered_by && <span>by {review.answered_by}</span>}
          </Group>
        </Stack>
      </Group>
    </Card>
  );
}

const verdict = (review: Schemas["ReviewSummary"]) => review.answer?.verdict ?? review.state;
