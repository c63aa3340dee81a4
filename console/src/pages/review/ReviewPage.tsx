/** One review: the document, what was read of it, why a person is asked, and the answer. Three key presses or fewer. */
import { Alert, Badge, Button, Code, Divider, Grid, Group, Kbd, List, Radio, Stack, Text, Textarea, Title, Tooltip } from "@mantine/core"; // prettier-ignore
import { notifications } from "@mantine/notifications";
import { IconCheck, IconColumns2, IconHandGrab, IconInfoCircle, IconMessageQuestion, IconPencilCheck, IconPlugConnectedX, IconX } from "@tabler/icons-react";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { api, ApiError, data, type Schemas } from "../../api/client";
import { documentQuery, reviewQuery, reviewRulesQuery, reviewsQuery, similarQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import { useKeyName, usePageKeys } from "../../frame/Keys";
import { readInbox } from "../../lib/inbox";
import { amended, fieldsOf, isValues, likeField, othersOf, REJECTIONS } from "../../lib/review";
import { problemOf } from "../../lib/rules";
import { Back } from "../../parts/Back";
import { AssignLater } from "../../parts/AssignLater";
import { ProblemAlert, ProblemPage } from "../../parts/Broken";
import { Dialog } from "../../parts/Dialog";
import { AnchorLink } from "../../parts/Link";
import { Loading } from "../../parts/Loading";
import { State, wordOf } from "../../parts/State";
import { Countdown, Time } from "../../parts/Time";
import { answer, type Given, HOLD_S } from "./answer";
import { Compare } from "./Compare";
import { DocumentView, type ViewKeys } from "./DocumentView";
import { forget, keepQuestion, keepRejection, keepTyped, keepUnsent, type Of, readQuestion, readRejection, readTyped, readUnsent } from "./draft";
import { Fields, textOf } from "./Fields";
import { Evidence, History, LikelyDuplicates, Similar } from "./Sides";
import { PolicySaid } from "./PolicySaid";
import { keepPlace } from "./place";
import { remember, useUndo } from "./undo";

const route = getRouteApi("/signed-in/reviews/$reviewId");

export function ReviewPage() {
  const { reviewId } = route.useParams();
  const review = useQuery(reviewQuery(reviewId));
  if (review.isError) return <ProblemPage title="Review" error={review.error} retry={() => void review.refetch()} />;
  if (!review.data) return <Loading what="The review" />;
  return <Loaded key={`${review.data.id}.${review.data.revision}`} review={review.data} />;
}

/** The neighbours of a review in the queue that it was opened from; the next is loaded before it is asked for. */
function useNeighbours(reviewId: string) {
  const search = route.useSearch(); // what the inbox was narrowed to
  const filter = readInbox(search);
  const client = useQueryClient();
  const listed = useInfiniteQuery(reviewsQuery(filter));
  const ids = (listed.data?.pages ?? []).flatMap((page) => page.items.map((one) => one.id));
  const at = ids.indexOf(reviewId);
  const next = ids[at + 1] ?? (at > 0 ? ids[0] : undefined);
  const before = at > 0 ? ids[at - 1] : undefined;
  useEffect(() => {
    if (!next) return;
    void client.fetchQuery(reviewQuery(next)).then((found) => {
      void client.prefetchQuery(reviewRulesQuery(next));
      for (const id of found.request.documents) {
        void client.prefetchQuery(documentQuery(id));
        new Image().src = `/v1/documents/${id}/content`;
      }
    }, () => undefined); // the page itself says what is wrong
  }, [client, next]);
  return { search, next, before, place: at < 0 ? null : `${at + 1} of ${ids.length}${listed.hasNextPage ? "+" : ""}` };
}

const NONE: Schemas["LikelyDuplicate"][] = [];

function Loaded({ review }: { review: Schemas["Review"] }) {
  const session = useSession();
  const client = useQueryClient();
  const navigate = useNavigate();
  const { search, next, before, place } = useNeighbours(review.id);
  const fields = useMemo(() => fieldsOf(review), [review]);
  const { id, revision } = review;
  const own = useMemo((): Of => ({ user: session.user, review: { id, revision } }), [session.user, id, revision]);
  const [typed, setTyped] = useState(() => readTyped(own));
  const [unsent, setUnsent] = useState(() => readUnsent(own));
  const [current, setCurrent] = useState<string | null>(() => firstDoubtful(fields));
  const [editing, setEditing] = useState(false);
  const [rejecting, setRejecting] = useState(false);
  const [asking, setAsking] = useState(false);
  const [comparing, setComparing] = useState(false);
  const [giving, setGiving] = useState(false);
  const view = useRef<ViewKeys>(null);
  const other = useRef<ViewKeys>(null);
  const rules = useQuery(reviewRulesQuery(review.id)).data;
  const likely = useQuery(similarQuery(review.id, likeField(review.values))).data?.duplicates ?? NONE;
  const others = othersOf(review.request.evidence, likely);
  const unnamed = likely.filter((one) => others.some((other) => other.task === one.task_id && other.same));
  const changed = fields.filter((field) => typed[field.name] !== undefined && typed[field.name] !== textOf(field.value));
  const wrong = changed.filter((field) => problemOf(field, typed[field.name]!));
  const open = review.state === "open" && review.answer === null;
  const may = (verdict: Schemas["Verdict"]) => open && review.request.allow.includes(verdict);

  useEffect(() => {
    document.title = `${review.request.title} · Interlock`;
  }, [review.request.title]);
  useEffect(() => keepPlace(id), [id]);

  const goTo = useCallback(
    (id: string | undefined) =>
      void (id
        ? navigate({ to: "/reviews/$reviewId", params: { reviewId: id }, search })
        : navigate({ to: "/inbox", search })),
    [navigate, search],
  );
  const keyName = useKeyName();
  const undo = useUndo();
  const give = useMutation({
    mutationFn: (given: Given) => answer(review, given),
    onMutate: (given) => {
      setRejecting(false);
      setUnsent(null);
      keepUnsent(own, given); // until the server says what became of it
    },
    onSuccess: (found, given) => {
      forget(own);
      remember([review.id], search);
      client.setQueryData(reviewQuery(review.id).queryKey, found);
      void client.invalidateQueries({ queryKey: ["reviews"] });
      notifications.show({
        id: review.id,
        color: given.verdict === "reject" ? "red" : "teal",
        title: `${{ approve: "Approved", amend: "Approved with changes", reject: "Rejected" }[given.verdict]}: ${review.request.title}`,
        message: (
          <Group gap="xs">
            <Button size="compact-xs" variant="default" onClick={() => undo(review.id)}>
              Undo
            </Button>
            <Kbd size="xs">{keyName("u")}</Kbd> <Text size="xs">within {HOLD_S} s</Text>
          </Group>
        ),
        autoClose: HOLD_S * 1_000,
      });
      goTo(next);
    },
    onError: (error) => {
      if (!(error instanceof ApiError) || ![0, 401].includes(error.status)) keepUnsent(own, null); // it was heard, and not taken
      if (error instanceof ApiError && error.status === 409) void client.invalidateQueries({ queryKey: ["review", review.id] });
    },
  });
  const claim = useMutation({
    mutationFn: () => {
      const params = { path: { review_id: review.id } };
      return review.assignee === session.user
        ? data(api.POST("/v1/reviews/{review_id}:release", { params }))
        : data(api.POST("/v1/reviews/{review_id}:claim", { params }));
    },
    onSuccess: (found) => {
      client.setQueryData(reviewQuery(review.id).queryKey, found);
      void client.invalidateQueries({ queryKey: ["reviews"] });
    },
  });

  const finish = () => {
    if (!open || give.isPending || wrong.length) return;
    if (changed.length && may("amend")) give.mutate({ verdict: "amend", values: amended(review, fields, typed) });
    else if (!changed.length && may("approve")) give.mutate({ verdict: "approve" });
  };
  const type = (name: string, text: string | null) => {
    const next = { ...typed };
    if (text === null || text === textOf(fields.find((one) => one.name === name)?.value)) delete next[name];
    else next[name] = text;
    setTyped(next);
    keepTyped(own, next);
  };
  const select = (name: string, edit = false) => {
    setCurrent(name);
    setEditing(edit && may("amend"));
  };
  const step = (by: number) => {
    const at = fields.findIndex((field) => field.name === current);
    const field = fields[Math.max(0, Math.min(fields.length - 1, at + by))];
    if (field) select(field.name);
  };

  const zoom = (by: number) => [view, other].forEach((one) => one.current?.zoom(by));
  const compare = (open: boolean) => {
    setComparing(open && others.length > 0);
    window.scrollTo({ top: 0 });
  };

  usePageKeys([
    ["a", () => finish()],
    ["mod+Enter", () => finish()],
    ["r", () => may("reject") && setRejecting(true)],
    ["e", (event) => { event.preventDefault(); if (current) select(current, true); }],
    ["c", () => open && claim.mutate()],
    ["g", (event) => { event.preventDefault(); setGiving(open); }],
    ["u", () => undo()],
    ["j", () => next && goTo(next)],
    ["k", () => before && goTo(before)],
    ["ArrowDown", (event) => { event.preventDefault(); step(1); }],
    ["ArrowUp", (event) => { event.preventDefault(); step(-1); }],
    ["Escape", () => (editing ? setEditing(false) : comparing ? compare(false) : void navigate({ to: "/inbox", search }))],
    ["d", () => compare(!comparing)],
    ["+", () => zoom(1.25)],
    ["=", () => zoom(1.25)],
    ["-", () => zoom(0.8)],
    ["o", () => view.current?.rotate()],
    ["t", () => view.current?.turnOver()],
    ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((digit): [string, () => void] => [String(digit), () => fields[digit - 1] && select(fields[digit - 1]!.name)]),
  ]); // prettier-ignore

  const ownDocument = <DocumentView ref={view} documents={review.request.documents} fields={fields} current={current} onSelect={select} />;
  return (
    <Stack gap="md" onKeyDown={(event) => {
      if (!editing) return;
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); setEditing(false); finish(); }
      else if (event.key === "Enter" || event.key === "Escape") { event.preventDefault(); if (event.key === "Escape" && current) type(current, null); setEditing(false); }
    }}>{/* prettier-ignore */}
      <Group justify="space-between" align="flex-start">
        <Stack gap={2} align="flex-start">
          <Back to="/inbox" search={search}>
            Inbox
          </Back>
          <Title order={1} size="h3">
            {review.request.title}
          </Title>
          <Group gap="md" fz="sm" c="dimmed">
            <span>{review.automation}</span>
            <span>from {review.task_submitted_by}</span>
            {review.subject && review.subject !== review.task_submitted_by && <span>about {review.subject}</span>}
            <Time at={review.opened_at} ago />
            {review.state === "open" && <Countdown until={review.deadline} />}
            <AnchorLink to="/tasks/$taskId" params={{ taskId: review.task_id }} size="sm">
              Task
            </AnchorLink>
            {place && <span>{place}</span>}
          </Group>
        </Stack>
        <Group gap="xs">
          {review.approvals_needed > 1 && (
            <Badge variant="default" tt="none">
              {review.approvals.filter((one) => one.counts).length} of {review.approvals_needed} approvals
            </Badge>
          )}
          <State state={review.answer?.verdict ?? review.state} size="md" />
        </Group>
      </Group>

      {!open && <Answered review={review} />}
      {open && review.assignee && review.assignee !== session.user && (
        <Alert color="yellow" icon={<IconHandGrab aria-hidden />} title={`${review.assignee} has claimed it`}>
          Nobody else can answer it until it is released.
        </Alert>
      )}
      {give.isPaused && (
        <Alert role="alert" color="orange" icon={<IconPlugConnectedX aria-hidden />} title="There is no network">
          Your answer is sent as soon as there is one. If you leave this page before, it is kept here until you come back.
        </Alert>
      )}
      {unsent && open && <Unsent given={unsent} onSend={() => give.mutate(unsent)} onForget={() => { setUnsent(null); keepUnsent(own, null); }} />}
      {give.isError && (open || !late(give.error)) && <ProblemAlert error={give.error} retry={unheard(give.error) ? () => give.mutate(give.variables!) : undefined} />}
      {give.isError && !open && late(give.error) && (
        <Alert role="alert" color="orange" icon={<IconPlugConnectedX aria-hidden />} title="Your answer came too late">
          It was not taken. What holds stands above.
        </Alert>
      )}
      {claim.isError && <ProblemAlert error={claim.error} />}

      <Grid gap="lg">
        <Grid.Col span={{ base: 12, md: comparing ? 12 : 7 }}>
          {comparing ? (
            <Compare ref={other} others={others} fields={fields} typed={typed} onClose={() => compare(false)}>
              {ownDocument}
            </Compare>
          ) : (
            ownDocument
          )}
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: comparing ? 12 : 5 }}>
          <Stack gap="md">
            {review.request.reasons.length > 0 && (
              <Alert color="yellow" icon={<IconInfoCircle aria-hidden />} title="Why you are asked">
                <List size="sm">
                  {review.request.reasons.map((reason) => (
                    <List.Item key={reason}>{reason}</List.Item>
                  ))}
                </List>
                {others.length > unnamed.length && (
                  <Button size="compact-sm" variant="default" mt="xs" onClick={() => compare(!comparing)} aria-expanded={comparing} leftSection={<IconColumns2 size={14} aria-hidden />} rightSection={<Key>d</Key>}>
                    Side by side with what was approved
                  </Button>
                )}
              </Alert>
            )}
            {unnamed.length > 0 && <LikelyDuplicates items={unnamed} comparing={comparing} onCompare={() => compare(!comparing)} />}
            <Fields fields={fields} rules={rules} typed={typed} current={current} editing={editing} readOnly={!may("amend")} onSelect={select} onType={type} />
            {open && (
              <Group gap="xs" className="answer-bar">
                <Button onClick={finish} loading={give.isPending} disabled={wrong.length > 0 || !may(changed.length ? "amend" : "approve")} color="teal.9" leftSection={changed.length ? <IconPencilCheck size={16} aria-hidden /> : <IconCheck size={16} aria-hidden />} rightSection={<Key>a</Key>}>
                  {changed.length ? `Approve ${changed.length} changed` : "Approve"}
                </Button>
                <Button color="red" variant="light" onClick={() => setRejecting(true)} disabled={!may("reject")} leftSection={<IconX size={16} aria-hidden />} rightSection={<Key>r</Key>}>
                  Reject
                </Button>
                <Tooltip label={review.assignee === session.user ? `Give it back (${keyName("c")})` : `Nobody else answers it then (${keyName("c")})`}>
                  <Button variant="default" onClick={() => claim.mutate()} loading={claim.isPending} disabled={review.assignee !== null && review.assignee !== session.user}>
                    {review.assignee === session.user ? "Release" : "Claim"}
                  </Button>
                </Tooltip>
                <Button variant="default" onClick={() => setGiving(true)} rightSection={<Key>g</Key>}>
                  Give to…
                </Button>
                <Button variant="default" onClick={() => setAsking(true)} leftSection={<IconMessageQuestion size={16} aria-hidden />}>
                  Ask
                </Button>
              </Group>
            )}
            <Divider />
            <PolicySaid rules={rules} />
            <Evidence evidence={review.request.evidence} />
            {isValues(review.values) && <Similar review={review} />}
            <History review={review} />
            <Text size="xs" c="dimmed">
              Review <Code>{review.id}</Code>
            </Text>
          </Stack>
        </Grid.Col>
      </Grid>
      <Reject of={own} opened={rejecting} pending={give.isPending} onClose={() => setRejecting(false)} onReject={(reason) => give.mutate({ verdict: "reject", reason })} />
      <AssignLater reviews={giving ? [review] : []} onClose={() => setGiving(false)} />
      <Ask of={own} opened={asking} review={review} onClose={() => setAsking(false)} />
    </Stack>
  );
}

function Key({ children }: { children: string }) {
  const keyName = useKeyName();
  return (
    <Kbd size="xs" visibleFrom="xs">
      {keyName(children)}
    </Kbd>
  );
}

/** The field to look at first: what is missing, else what was read least surely. */
function firstDoubtful(fields: ReturnType<typeof fieldsOf>): string | null {
  const missing = fields.find((field) => field.required && field.value === null);
  const read = fields.filter((field) => field.found).sort((a, b) => (a.found!.confidence ?? 0) - (b.found!.confidence ?? 0));
  return (missing ?? read[0] ?? fields[0])?.name ?? null;
}

function Answered({ review }: { review: Schemas["Review"] }) {
  const by = review.answered_by;
  const allowed = (review.answer?.decision as { reasons?: { policy: string; text: string }[] } | undefined)?.reasons ?? [];
  return (
    <Alert color="blue" role="status" title={by ? `${by} has answered: ${wordOf(review.answer?.verdict ?? review.state)}` : `It is ${review.state}`}>
      {review.answered_at && <Time at={review.answered_at} />} {review.answer?.reason}
      {(review.answer?.changes ?? []).map((change) => (
        <Text key={change.pointer} size="sm">
          <Code>{change.pointer}</Code> {textOf(change.before) || "empty"} → {textOf(change.after) || "empty"}
        </Text>
      ))}
      {allowed.map((reason) => (
        <Text key={reason.policy} size="xs" c="dimmed">
          Policy <Code>{reason.policy}</Code>: {reason.text}
        </Text>
      ))}
    </Alert>
  );
}

/** An answer that this browser gave and that did not get through, as after a reload without a network: whoever gave it sends it, or does not. */
function Unsent({ given, onSend, onForget }: { given: Given; onSend: () => void; onForget: () => void }) {
  return (
    <Alert role="alert" color="orange" icon={<IconPlugConnectedX aria-hidden />} title={`Your answer was not sent: ${wordOf(given.verdict)}`}>
      <Stack gap="xs">
        {given.reason && <Text size="sm">{given.reason}</Text>}
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={onSend}>
            Send it
          </Button>
          <Button size="xs" variant="subtle" onClick={onForget}>
            Forget it
          </Button>
        </Group>
      </Stack>
    </Alert>
  );
}

const unheard = (error: Error) => error instanceof ApiError && error.status === 0;
const late = (error: Error) => error instanceof ApiError && error.status === 409;

function Reject(props: { of: Of; opened: boolean; pending: boolean; onClose: () => void; onReject: (reason: string) => void }) {
  const { of, opened, pending, onClose, onReject } = props;
  const [preset, setPreset] = useState(() => readRejection(of).preset ?? REJECTIONS[0]!);
  const [more, setMore] = useState(() => readRejection(of).more ?? "");
  useEffect(() => keepRejection(of, more.trim() ? { preset, more } : {}), [of, preset, more]);
  const reason = [preset, more.trim()].filter(Boolean).join(" ");
  const keys = (event: React.KeyboardEvent) => {
    const typing = event.target instanceof HTMLTextAreaElement;
    if (event.key === "Enter" && (!typing || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (reason) onReject(reason);
    } else if (!typing && /^[1-9]$/.test(event.key) && REJECTIONS[Number(event.key) - 1]) setPreset(REJECTIONS[Number(event.key) - 1]!);
  };
  return (
    <Dialog opened={opened} onClose={onClose} title="Reject" onKeyDown={keys}>
      <Stack>
        <Radio.Group value={preset} onChange={setPreset} label="Why" description="It goes back to whoever asked.">
          <Stack gap="xs" mt="xs">
            {REJECTIONS.map((words, number) => (
              <Group key={words} gap="xs" wrap="nowrap">
                <Kbd size="xs">{number + 1}</Kbd>
                <Radio value={words} label={words} data-autofocus={number === 0 || undefined} />
              </Group>
            ))}
          </Stack>
        </Radio.Group>
        <Textarea label="In your own words" value={more} onChange={(event) => setMore(event.currentTarget.value)} autosize minRows={2} maxLength={2_000} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Back
          </Button>
          <Button color="red.9" onClick={() => onReject(reason)} loading={pending} rightSection={<Key>Enter</Key>}>
            Reject
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}

function Ask({ of, opened, review, onClose }: { of: Of; opened: boolean; review: Schemas["Review"]; onClose: () => void }) {
  const client = useQueryClient();
  const [text, setText] = useState(() => readQuestion(of));
  useEffect(() => keepQuestion(of, text.trim() && text), [of, text]);
  const ask = useMutation({
    mutationFn: () => data(api.POST("/v1/reviews/{review_id}:ask", { params: { path: { review_id: review.id } }, body: { text } })),
    onSuccess: (found) => {
      client.setQueryData(reviewQuery(review.id).queryKey, found);
      setText("");
      onClose();
    },
  });
  return (
    <Dialog opened={opened} onClose={onClose} title="Ask back">
      <Stack>
        <Textarea data-autofocus label={`To ${review.task_submitted_by}`} value={text} onChange={(event) => setText(event.currentTarget.value)} autosize minRows={3} maxLength={2_000} />
        {ask.isError && <ProblemAlert error={ask.error} />}
        <Button onClick={() => ask.mutate()} disabled={!text.trim()} loading={ask.isPending}>
          Ask; the review stays open
        </Button>
      </Stack>
    </Dialog>
  );
}
