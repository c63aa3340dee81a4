/** A table that scrolls by itself where the screen is narrow; what stands in it when nothing does says what to do. */
import { Table, Text } from "@mantine/core";
import type { ReactNode } from "react";

export function Rows(props: { label: string; heads: string[]; minWidth?: number; empty?: string; children: ReactNode[] }) {
  const { label, heads, minWidth = 640, empty = "There is nothing yet.", children } = props;
  if (children.length === 0) return <Text c="dimmed">{empty}</Text>;
  return (
    <Table.ScrollContainer minWidth={minWidth} scrollAreaProps={{ viewportProps: { tabIndex: 0, role: "region", "aria-label": label } }}>
      <Table aria-label={label} verticalSpacing="xs">
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
