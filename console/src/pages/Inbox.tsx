/** The inbox: what waits for a person, in queues, with why and how long. */
import { Badge, Button, Card, Checkbox, Group, Stack, Tabs, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconArrowDown, IconEqual, IconInboxOff, IconUsers } from "@tabler/icons-react";
import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import type { Schemas } from "../api/client";
import { automationsQuery, reviewQuery, reviewsQuery } from "../api/queries";
import { useSession } from "../api/session";
import { useKeyName, usePageKeys } from "../frame/Keys";
import { type InboxFilter, narrowing, type Queue, readInbox } from "../lib/inbox";
import type { Review } from "../lib/review";
import { AssignLater } from "../parts/AssignLater";
import { ProblemAlert } from "../parts/Broken";
import { ChosenBar, each, useChosen } from "../parts/Chosen";
import { FindBox } from "../parts/FindBox";
import { AnchorLink } from "../parts/Link";
import { Choose, Typed } from "../parts/Narrow";
import { State } from "../parts/State";
import { useTyped } from "../parts/typed";
import { Views } from "../parts/Views";
import { Countdown, Time } from "../parts/Time";
import { answer, HOLD_S } from "./review/answer";
import { lastPlace } from "./review/place";
import { remember, useUndo } from "./review/undo";
import { More } from "../parts/More";
import { TabRow } from "../parts/TabRow";

const route = getRouteApi("/signed-in/inbox");
const QUEUES: [Queue, string][] = [
  ["open", "All open"],
  ["mine", "Mine"],
  ["unassigned", "Unassigned"],
  ["done", "Done"],
];
const EMPTY: Record<Queue, string> = {
  open: "Nothing waits for a person. A task opens a review when a policy is not sure.",
  mine: "You have claimed nothing. Open a review and press c.",
  unassigned: "Everything that is open has somebody.",
  done: "Nothing was answered yet.",
};

export function Inbox() {
  const { view, ...search } = route.useSearch();
  const filter = readInbox(search); // whatever else stands in the address
  const { queue = "open", find = "" } = filter;
  const navigate = useNavigate();
  const client = useQueryClient();
  const reviews = useInfiniteQuery({ ...reviewsQuery(filter), placeholderData: keepPreviousData });
  const found = useMemo(() => (reviews.data?.pages ?? []).flatMap((page) => page.items), [reviews.data]);
  const [{ id, place }, setCursor] = useState({ id: lastPlace(), place: 0 });
  const standing = found.findIndex((review) => review.id === id);
  const at = standing >= 0 ? standing : Math.max(0, Math.min(place, found.length - 1)); // it stays at its review, whatever comes before it
  const { chosen, choose, clear } = useChosen();
  const current = found[at];
  const keyName = useKeyName();
  const undo = useUndo();
  const [giving, setGiving] = useState<Review[]>([]);
  const give = () => setGiving(queue === "done" ? [] : found.filter((review) => chosen.has(review.id)));

  useEffect(() => {
    document.title = `Inbox (${found.length}) · Interlock`;
  }, [found.length]);
  useEffect(() => {
    if (current) void client.prefetchQuery(reviewQuery(current.id)); // before it is asked for
  }, [client, current]);

  useEffect(() => {
    if (current) setCursor({ id: current.id, place: at });
  }, [current?.id, at]);
  const shown = found.length > 0;
  useEffect(() => {
    if (shown && at > 0) document.getElementById(`review-${current?.id}`)?.scrollIntoView({ block: "nearest" }); // where one comes back to
  }, [shown]);

  const narrow = (change: InboxFilter & { view?: string }) => {
    setCursor({ id: undefined, place: 0 });
    void navigate({ to: "/inbox", search: { ...filter, view, ...change }, replace: true });
  };
  const open = (review: Review) => void navigate({ to: "/reviews/$reviewId", params: { reviewId: review.id }, search: { ...filter, view } });
  const move = (by: number) => {
    const next = Math.max(0, Math.min(found.length - 1, at + by));
    setCursor({ id: found[next]?.id, place: next });
    document.getElementById(`review-${found[next]?.id}`)?.scrollIntoView({ block: "nearest" });
  };
  const approve = async () => {
    const wanted = found.filter((review) => chosen.has(review.id));
    if (queue === "done" || wanted.length === 0) return;
    clear();
    const note = `${keyName("u")} takes it back, within ${HOLD_S} s.`;
    const approved = await each(wanted, "Approved", (review) => review.request.title, (review) => answer(review, { verdict: "approve" }), note); // prettier-ignore
    if (approved.length) remember(approved.map((review) => review.id), { ...filter, view }); // prettier-ignore
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
    ["g", (event) => { event.preventDefault(); give(); }],
    ["u", () => undo()],
    ["Escape", clear],
  ]); // prettier-ignore

  return (
    <Stack gap="md" maw={1100}>
      <Group justify="space-between">
        <Title order={1} size="h2">
          Inbox
        </Title>
        <Find value={find} onFind={(text) => narrow({ find: text })} />
      </Group>
      <Tabs value={queue} onChange={(value) => { clear(); narrow({ queue: value as Queue }); }}>
        <TabRow>
          {QUEUES.map(([name, label]) => (
            <Tabs.Tab key={name} value={name}>
              {label}
            </Tabs.Tab>
          ))}
        </TabRow>
      </Tabs>
      <Filters filter={filter} view={view} found={found} onNarrow={narrow} onClear={() => void navigate({ to: "/inbox", search: { queue } })} />
      <ChosenBar count={chosen.size} onClear={clear}>
        <Button size="xs" onClick={() => void approve()}>
          Approve selected
        </Button>
        <Button size="xs" variant="default" onClick={give}>
          Give to…
        </Button>
      </ChosenBar>
      {reviews.isError && <ProblemAlert error={reviews.error} retry={() => void reviews.refetch()} />}
      {reviews.isSuccess && found.length === 0 && (
        <Card withBorder ta="center" padding="xl">
          <IconInboxOff size={32} aria-hidden style={{ marginInline: "auto" }} />
          <Text mt="sm">{narrowing(filter) ? "Nothing here has all of this." : EMPTY[queue]}</Text>
        </Card>
      )}
      <Stack gap="xs" component="ul" p={0} m={0} role="list">
        {found.map((review, number) => (
          <Row
            key={review.id}
            review={review}
            search={{ ...filter, view }}
            current={number === at}
            chosen={chosen.has(review.id)}
            onChoose={() => choose(review.id)}
          />
        ))}
      </Stack>
      <More of={reviews} />
      <AssignLater
        reviews={giving}
        onClose={(done) => {
          setGiving([]);
          if (done) clear();
        }}
      />
    </Stack>
  );
}

/** The box for words: they are asked for when the typing rests. */
function Find({ value, onFind }: { value: string; onFind: (find: string | undefined) => void }) {
  const [typed, type] = useTyped(value, (text) => onFind(text || undefined), 200);
  return <FindBox label="Find in the inbox" placeholder="Find: merchant, person, ID" value={typed} onFind={type} width={280} />;
}

const CHOICES = {
  risk: [{ value: "high", label: "High risk" }, { value: "medium", label: "Medium risk" }, { value: "low", label: "Low risk" }],
  due: [{ value: "hour", label: "Due within 1 h" }, { value: "day", label: "Due within 24 h" }, { value: "week", label: "Due within 7 days" }],
  order: [{ value: "oldest", label: "Oldest first" }, { value: "newest", label: "Newest first" }, { value: "due", label: "Soonest due first" }],
}; // prettier-ignore

interface FiltersProps {
  filter: InboxFilter;
  view: string | undefined;
  found: Review[];
  onNarrow: (change: InboxFilter) => void;
  onClear: () => void;
}

function Filters({ filter, view, found, onNarrow, onClear }: FiltersProps) {
  const session = useSession();
  const automations = useQuery({ ...automationsQuery, enabled: session.may.includes("automation.read") });
  const names = new Set([...(automations.data?.items ?? []).map((one) => one.name), ...found.map((one) => one.automation)]);
  const roles = new Set([...found.map((one) => one.role), ...session.roles]);
  const people = new Set([session.user, ...found.flatMap((one) => [one.assignee, one.subject, one.task_submitted_by]).filter((one) => one !== null)]);
  const order = filter.order ?? (filter.queue === "done" ? "newest" : "oldest");
  return (
    <Group gap={10} role="group" aria-label="Filters">
      <Choose label="Automation" value={filter.automation} choices={[...names].sort().map((name) => ({ value: name, label: name }))} onChange={(automation) => onNarrow({ automation })} />
      <Typed label="Role" value={filter.role} offered={[...roles].sort()} onChange={(role) => onNarrow({ role })} />
      <Typed label="Person" value={filter.person} offered={[...people].sort()} onChange={(person) => onNarrow({ person })} />
      <Choose label="Risk" value={filter.risk} choices={CHOICES.risk} onChange={(risk) => onNarrow({ risk: risk as InboxFilter["risk"] })} />
      <Choose label="Due" value={filter.due} choices={CHOICES.due} onChange={(due) => onNarrow({ due: due as InboxFilter["due"] })} />
      <Choose label="Order" always value={order} choices={CHOICES.order} onChange={(chosen) => onNarrow({ order: chosen as InboxFilter["order"] })} />
      <Views page="inbox" filters={filter} picked={view} />
      {narrowing(filter) > 0 && (
        <Button size="xs" variant="subtle" onClick={onClear}>
          Clear
        </Button>
      )}
    </Group>
  );
}

const RISKS: Record<Review["risk"], [string, string, typeof IconEqual]> = {
  high: ["red", "High", IconAlertTriangle],
  medium: ["orange", "Medium", IconEqual],
  low: ["gray", "Low", IconArrowDown],
};

function RiskBadge({ review }: { review: Review }) {
  const [color, word, Icon] = RISKS[review.risk];
  return (
    <Badge color={color} variant="light" tt="none" leftSection={<Icon size={12} aria-hidden />}>
      {word} risk
    </Badge>
  );
}

function Row(props: { review: Review; search: InboxFilter & { view?: string }; current: boolean; chosen: boolean; onChoose: () => void }) {
  const { review, search, current, chosen, onChoose } = props;
  return (
    <Card component="li" withBorder padding="sm" className="row-link" data-current={current} id={`review-${review.id}`}>
      <Group wrap="nowrap" align="flex-start" gap="sm">
        {review.state === "open" && (
          <Checkbox checked={chosen} onChange={onChoose} aria-label={`Select ${review.request.title}`} mt={4} />
        )}
        <Stack gap={4} flex={1} miw={0}>
          <Group justify="space-between" gap="xs">
            <AnchorLink to="/reviews/$reviewId" params={{ reviewId: review.id }} search={search} fw={600} className="title-link" truncate>
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
          <Group gap="md" fz="sm" c="dimmed" style={{ rowGap: 2 }}>
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
