/**
 * A table; on a phone each row is a card, with each head before its value. What stands in it when nothing does says what to do.
 */
import { Table, Text } from "@mantine/core";
import type { CSSProperties, ReactNode } from "react";

export function Rows(props: { label: string; heads: string[]; minWidth?: number; empty?: string; children: ReactNode[] }) {
  const { label, heads, minWidth = 640, empty = "There is nothing yet.", children } = props;
  if (children.length === 0) return <Text c="dimmed">{empty}</Text>;
  const names = Object.fromEntries(heads.map((head, number) => [`--head-${number + 1}`, JSON.stringify(head)])) as CSSProperties;
  return (
    <Table.ScrollContainer minWidth={minWidth} className="rows" scrollAreaProps={{ type: "auto", viewportProps: { tabIndex: 0, role: "region", "aria-label": label } }}>
      <Table aria-label={label} verticalSpacing="xs" style={names}>
        <Table.Thead>
          <Table.Tr>
            {heads.map((head) => (
              <Table.Th key={head}>{head || <span className="unseen">What to do</span>}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>{children}</Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
