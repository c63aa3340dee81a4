/** What a record changed: each value before and after it, as the log tells it. */
import { Group, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, data } from "../../api/client";
import { fieldName, saidOf } from "../../lib/audit";
import { ProblemAlert } from "../../parts/Broken";
import { AnchorLink } from "../../parts/Link";
import { Wide } from "../../parts/Wide";

export interface Row {
  field: string;
  before?: unknown;
  after?: unknown;
}

export function Changed({ position }: { position: number }) {
  const found = useQuery({
    queryKey: ["audit-changes", position],
    staleTime: Infinity, // neither the record nor those before it change
    queryFn: () => data(api.GET("/v1/audit/records/{position}/changes", { params: { path: { position } } })),
  });
  if (found.isError) return <ProblemAlert error={found.error} retry={() => void found.refetch()} />;
  const { about, since, items } = found.data ?? { about: null, since: null, items: [] };
  if (items.length === 0 && !about) return null;
  return (
    <Stack gap="xs">
      <Group gap="md" fz="sm">
        {about && (
          <span>
            About <b>{about}</b>
          </span>
        )}
        {about && (
          <AnchorLink to="/audit" search={{ person: about }} size="sm">
            All records of {about}
          </AnchorLink>
        )}
        {items.length > 0 && (
          <Text size="sm" c="dimmed">
            {since === null ? "The first record of it: what it began with." : `Against record #${since}.`}
          </Text>
        )}
      </Group>
      {items.length > 0 && <ChangeTable label="What it changed" rows={items} />}
    </Stack>
  );
}

export function ChangeTable({ label, rows }: { label: string; rows: Row[] }) {
  return (
    <Wide label={label}>
      <Table aria-label={label} withTableBorder maw={900} className="changes">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Value</Table.Th>
            <Table.Th>Before</Table.Th>
            <Table.Th>After</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={row.field}>
              <Table.Td>{fieldName(row.field)}</Table.Td>
              <Table.Td className="mono">{saidOf(row.before)}</Table.Td>
              <Table.Td className="mono">{saidOf(row.after)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Wide>
  );
}
