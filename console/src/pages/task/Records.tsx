/** The audit records of a task, each verified here in the browser: from the record to the root that the log's key signed. */
import { Accordion, Button, Code, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, data } from "../../api/client";
import { evidenceAddress, factsOf, textOf } from "../../lib/audit";
import { RecordDetails, Verified } from "../../parts/AuditRecord";
import { ProblemAlert } from "../../parts/Broken";
import { AnchorLink } from "../../parts/Link";
import { end, hasBegun } from "../home/first";

export function Records({ taskId }: { taskId: string }) {
  const [opened, setOpened] = useState<string[]>([]);
  const records = useQuery({
    queryKey: ["task", taskId, "records"],
    queryFn: () => data(api.GET("/v1/audit/records", { params: { query: { task_id: taskId, limit: 200 } } })),
  });
  const proved = records.data?.items.some((record) => textOf(factsOf(record.leaf), "kind") === "review.answered") ?? false;
  useEffect(() => {
    if (proved && hasBegun()) end(); // the last of the first steps
  }, [proved]);
  if (records.isError) return <ProblemAlert error={records.error} retry={() => void records.refetch()} />;
  const items = records.data?.items ?? [];
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        Each record is checked by this page itself: its hash is followed to the root of the log, and the root's signature is checked with the log's key.
      </Text>
      <Group>
        <Button component="a" size="xs" variant="default" href={evidenceAddress({ task: taskId })} download>
          Evidence pack of this task
        </Button>
        <AnchorLink to="/audit" search={{ task: taskId }} size="sm">
          In the audit log
        </AnchorLink>
      </Group>
      {records.isSuccess && items.length === 0 && <Text>No record has its place in the log yet; that takes about a second.</Text>}
      <Accordion variant="contained" chevronPosition="left" multiple value={opened} onChange={setOpened}>
        {items.map((record) => {
          const facts = factsOf(record.leaf);
          const key = String(record.position);
          return (
            <Accordion.Item key={key} value={key}>
              <Accordion.Control>
                <Group justify="space-between" wrap="nowrap" gap="sm">
                  <Group gap="sm">
                    <Code>#{record.position}</Code>
                    <Text size="sm">{textOf(facts, "kind")}</Text>
                    {textOf(facts, "effect") && (
                      <Text size="sm" c="dimmed">
                        {textOf(facts, "effect")}
                      </Text>
                    )}
                  </Group>
                  <Verified record={record} />
                </Group>
              </Accordion.Control>
              <Accordion.Panel>{opened.includes(key) && <RecordDetails record={record} />}</Accordion.Panel>
            </Accordion.Item>
          );
        })}
      </Accordion>
    </Stack>
  );
}
