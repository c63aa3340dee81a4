/** Two cases side by side: this one and one that was approved before or is likely the same, with what differs between them. */
import { Badge, Button, Group, SegmentedControl, SimpleGrid, Stack, Table, Text, Title } from "@mantine/core";
import { IconArrowsDiff, IconX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState, type Ref } from "react";
import { taskQuery, timelineQuery } from "../../api/queries";
import { useKeyName } from "../../frame/Keys";
import { type Field, type Other, sharedWords } from "../../lib/review";
import { differs, documentsIn, readFields, valuesOf } from "../../lib/task";
import { ProblemAlert } from "../../parts/Broken";
import { AnchorLink } from "../../parts/Link";
import { Loading } from "../../parts/Loading";
import { State } from "../../parts/State";
import { Time } from "../../parts/Time";
import { DocumentView, type ViewKeys } from "./DocumentView";
import { textOf } from "./Fields";

export function Compare(props: {
  others: Other[];
  fields: Field[];
  typed: Record<string, string>;
  children: React.ReactNode; // this case's document
  onClose: () => void;
  ref?: Ref<ViewKeys>;
}) {
  const { others, fields, typed, children, onClose, ref } = props;
  const keyName = useKeyName();
  const [chosen, setChosen] = useState(others[0]!.task);
  const task = useQuery(taskQuery(chosen));
  const timeline = useQuery(timelineQuery(chosen));
  const broken = task.error ?? timeline.error;
  const effects = timeline.data?.effects ?? [];
  const there = valuesOf(effects, task.data?.output, fields.map((field) => field.name));
  const rows = fields.map((field) => {
    const here = typed[field.name] ?? textOf(field.value);
    return { field, here, there: textOf(there[field.name]), differs: textOf(there[field.name]) !== "" && differs(here, there[field.name]) };
  });
  const same = others.find((one) => one.task === chosen)?.same ?? null;
  const unknown = rows.filter((row) => row.here && !row.there).length;
  const unlike = rows.filter((row) => row.differs).length;
  return (
    <Stack gap="sm" component="section" aria-label="Side by side">
      <Group justify="space-between" gap="xs">
        <Title order={2} size="h4">
          {same ? `Beside what is likely the same: ${sharedWords(same)}` : "Beside what was approved before"}
        </Title>
        <Group gap="xs">
          {others.length > 1 && (
            <SegmentedControl size="xs" aria-label="Which one" value={chosen} onChange={setChosen} data={others.map((one, number) => ({ value: one.task, label: `${number + 1}` }))} />
          )}
          <Button size="xs" variant="default" onClick={onClose} leftSection={<IconX size={14} aria-hidden />}>
            Close ({keyName("d")})
          </Button>
        </Group>
      </Group>
      {broken && <ProblemAlert error={broken} retry={() => void Promise.all([task.refetch(), timeline.refetch()])} />}
      {!broken && (!task.data || !timeline.data) && <Loading what="The other case" height={320} />}
      {task.data && timeline.data && (
        <>
          <Text size="sm" role="status">
            {unlike === 0 ? (unknown ? "Every field that is known of both is the same." : "Every field is the same.") : `${unlike} of ${rows.length} fields ${unlike === 1 ? "differs" : "differ"}.`}
          </Text>
          <Table aria-label="Fields of both" withTableBorder layout="fixed" className="compare">
            <Table.Thead>
              <Table.Tr>
                <Table.Th w="28%">Field</Table.Th>
                <Table.Th>This one</Table.Th>
                <Table.Th>
                  <Group gap="xs">
                    <AnchorLink to="/tasks/$taskId" params={{ taskId: chosen }} size="sm">
                      The other one
                    </AnchorLink>
                    <State state={task.data.state} size="xs" />
                    <Text size="xs" c="dimmed">
                      <Time at={task.data.accepted_at} ago /> by {task.data.submitted_by}
                    </Text>
                  </Group>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map((row) => (
                <Table.Tr key={row.field.name} data-differs={row.differs}>
                  <Table.Td c="dimmed">{row.field.label}</Table.Td>
                  <Table.Td>{row.here || <span className="quiet">not known</span>}</Table.Td>
                  <Table.Td>
                    <Group gap="xs">
                      <span>{row.there || <span className="quiet">not known</span>}</span>
                      {row.differs && <Differs />}
                    </Group>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            <Stack gap={4}>
              <Text size="sm" fw={600}>
                This one
              </Text>
              {children}
            </Stack>
            <Stack gap={4}>
              <Text size="sm" fw={600}>
                The other one
              </Text>
              <DocumentView key={chosen} ref={ref} documents={documentsIn(effects.map((effect) => effect.input))} fields={readFields(effects)} current={null} onSelect={() => undefined} label="Other document" keys={false} />
            </Stack>
          </SimpleGrid>
        </>
      )}
    </Stack>
  );
}

const Differs = () => (
  <Badge size="xs" variant="light" color="orange" tt="none" leftSection={<IconArrowsDiff size={12} aria-hidden />}>
    differs
  </Badge>
);
