/** Erasures and how each stands: what is gone, what stays because others need it, and what it waits for. */
import { Table } from "@mantine/core";
import type { Schemas } from "../../api/client";
import { AnchorLink } from "../../parts/Link";
import { State } from "../../parts/State";
import { Time } from "../../parts/Time";
import { Wide } from "../../parts/Wide";

export function ErasureTable({ items }: { items: Schemas["Erasure"][] }) {
  return (
    <Wide label="Erasures and how they stand">
      <Table aria-label="Erasures" miw={720}>
        <Table.Thead>
          <Table.Tr>
            {["Person", "State", "Asked", "Erased", "Stays", "Waits for"].map((name) => (
              <Table.Th key={name}>{name}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {items.map((one) => (
            <Table.Tr key={one.id}>
              <Table.Td>
                <AnchorLink to="/privacy" search={{ subject: one.subject }} size="sm">
                  {one.subject}
                </AnchorLink>
              </Table.Td>
              <Table.Td>
                <State state={one.state} />
              </Table.Td>
              <Table.Td>
                {one.requested_by}, <Time at={one.requested_at} ago />
              </Table.Td>
              <Table.Td>
                {one.tasks} tasks, {one.documents} documents
              </Table.Td>
              <Table.Td>{one.kept_documents > 0 ? `${one.kept_documents} documents that tasks of others name` : "nothing"}</Table.Td>
              <Table.Td>{one.open_tasks > 0 ? `${one.open_tasks} open tasks` : ""}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Wide>
  );
}
