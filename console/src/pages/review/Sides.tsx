/** What stands beside a review: evidence, cases that are alike, and what was done with it. */
import { Accordion, Alert, Button, Code, Group, Kbd, List, Stack, Table, Text } from "@mantine/core";
import { IconColumns2, IconCopy } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { Schemas } from "../../api/client";
import { similarQuery } from "../../api/queries";
import { useKeyName } from "../../frame/Keys";
import { approvedBefore, isValues, likeField, sharedWords } from "../../lib/review";
import { Json } from "../../parts/Json";
import { AnchorLink } from "../../parts/Link";
import { State, wordOf } from "../../parts/State";
import { Time } from "../../parts/Time";
import { textOf } from "./Fields";

type Review = Schemas["Review"];

export function Evidence({ evidence }: { evidence: Record<string, unknown> }) {
  const notes = Array.isArray(evidence.notes) ? evidence.notes.map(String) : [];
  const claim = isValues(evidence.claim) ? Object.entries(evidence.claim).filter(([, value]) => value !== null) : [];
  const known = approvedBefore(evidence);
  return (
    <Stack gap="sm">
      {notes.length > 0 && (
        <div>
          <Text size="sm" fw={600}>
            Notes
          </Text>
          <List size="sm">
            {notes.map((note) => (
              <List.Item key={note}>{note}</List.Item>
            ))}
          </List>
        </div>
      )}
      {claim.length > 0 && (
        <div>
          <Text size="sm" fw={600}>
            Claimed
          </Text>
          <Table>
            <Table.Tbody>
              {claim.map(([name, value]) => (
                <Table.Tr key={name}>
                  <Table.Td c="dimmed">{name.replaceAll("_", " ")}</Table.Td>
                  <Table.Td>{textOf(value)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
      {known.length > 0 && (
        <div>
          <Text size="sm" fw={600} className="warn">
            Approved before
          </Text>
          {known.map((task) => (
            <AnchorLink key={task} to="/tasks/$taskId" params={{ taskId: task }} size="sm" display="block">
              {task}
            </AnchorLink>
          ))}
        </div>
      )}
      <Accordion variant="contained" chevronPosition="left">
        <Accordion.Item value="all">
          <Accordion.Control>Everything that was sent along</Accordion.Control>
          <Accordion.Panel>
            <Json value={evidence} />
          </Accordion.Panel>
        </Accordion.Item>
      </Accordion>
    </Stack>
  );
}

/** Tasks that are likely the same matter and that the evidence does not name: each may be laid beside this one. */
export function LikelyDuplicates({ items, comparing, onCompare }: { items: Schemas["LikelyDuplicate"][]; comparing: boolean; onCompare: () => void }) {
  const keyName = useKeyName();
  return (
    <Alert color="orange" icon={<IconCopy aria-hidden />} title={items.length === 1 ? "This may be a duplicate" : `This may be a duplicate of ${items.length}`}>
      <Stack gap={4}>
        {items.map((one) => (
          <Group key={one.task_id} gap="xs" fz="sm">
            <AnchorLink to="/tasks/$taskId" params={{ taskId: one.task_id }} size="sm">
              {one.submitted_by}, <Time at={one.accepted_at} ago />
            </AnchorLink>
            <State state={one.state} size="xs" />
            <span>{sharedWords(one.same)}</span>
          </Group>
        ))}
        <Group>
          <Button size="compact-sm" variant="default" onClick={onCompare} aria-expanded={comparing} leftSection={<IconColumns2 size={14} aria-hidden />} rightSection={<Kbd size="xs" visibleFrom="xs">{keyName("d")}</Kbd>}>
            Side by side
          </Button>
        </Group>
      </Stack>
    </Alert>
  );
}

/** The last cases of the same automation and the same other side, and how they ended. */
export function Similar({ review }: { review: Review }) {
  const field = likeField(review.values);
  const value = field && isValues(review.values) ? String(review.values[field]) : "";
  const similar = useQuery(similarQuery(review.id, field));
  if (!field || !similar.data) return null;
  return (
    <div>
      <Text size="sm" fw={600}>
        Others of {value}
      </Text>
      {similar.data.items.length === 0 && (
        <Text size="sm" c="dimmed">
          It is the first that a person sees.
        </Text>
      )}
      <Stack gap={4}>
        {similar.data.items.map((one) => (
          <Group key={one.id} gap="xs" fz="sm" wrap="nowrap" justify="space-between">
            <AnchorLink to="/reviews/$reviewId" params={{ reviewId: one.id }} size="sm" truncate>
              {one.request.title}
            </AnchorLink>
            <Group gap="xs" wrap="nowrap">
              <State state={one.answer?.verdict ?? one.state} size="xs" />
              <Text size="xs" c="dimmed">
                <Time at={one.opened_at} ago />
              </Text>
            </Group>
          </Group>
        ))}
      </Stack>
    </div>
  );
}

export function History({ review }: { review: Review }) {
  if (review.history.length === 0) return null;
  return (
    <div>
      <Text size="sm" fw={600}>
        History
      </Text>
      <Stack gap={4}>
        {review.history.map((line, number) => (
          <Text key={number} size="sm">
            <Text span c="dimmed" size="xs">
              <Time at={line.at} ago />
            </Text>{" "}
            <b>{line.by}</b> {line.kind.replaceAll("_", " ")} {typeof line.data.text === "string" ? `“${line.data.text}”` : ""}
            {typeof line.data.reason === "string" ? `: ${line.data.reason}` : ""}
          </Text>
        ))}
        {review.approvals.map((one) => (
          <Text key={one.number} size="sm">
            <Code>{one.number}</Code> {one.by}: {wordOf(one.verdict)} {one.counts ? "" : "(does not count)"}
          </Text>
        ))}
      </Stack>
    </div>
  );
}
