/** What came of tasks over time, as bars and as a line, with the same numbers as a table for whoever reads that better. */
import "@mantine/charts/styles.css";
import { BarChart, LineChart } from "@mantine/charts";
import { Card, SimpleGrid, Table, Text, Title } from "@mantine/core";
import type { Schemas } from "../../api/client";
import { Wide } from "../../parts/Wide";
import { labelOf, shareOf } from "../../lib/series";

type Part = Schemas["SeriesPart"];
// Named by the theme's colours, and told apart by place and words too.
const OUTCOMES = [
  { name: "succeeded", label: "Succeeded", color: "teal.6" },
  { name: "failed", label: "Failed", color: "red.6" },
  { name: "cancelled", label: "Cancelled", color: "gray.6" },
  { name: "open", label: "Not ended", color: "yellow.6" },
];
const SHARE = [{ name: "share", label: "Straight through", color: "indigo.6" }];
const STILL = { isAnimationActive: false };
const PLAIN = { accessibilityLayer: false }; // the table below says it

export function Charts({ parts, bucket }: { parts: Part[]; bucket: "hour" | "day" }) {
  const rows = parts.map((part) => ({ ...part, label: labelOf(part.at, bucket), share: shareOf(part) }));
  return (
    <>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Card withBorder padding="md" component="figure" m={0}>
          <Title order={2} size="h5" component="figcaption" mb="sm">
            Tasks by outcome
          </Title>
          <div aria-hidden>
            <BarChart h={200} data={rows} dataKey="label" type="stacked" series={OUTCOMES} withLegend barProps={STILL} barChartProps={PLAIN} tooltipAnimationDuration={0} />
          </div>
        </Card>
        <Card withBorder padding="md" component="figure" m={0}>
          <Title order={2} size="h5" component="figcaption" mb="sm">
            Straight through, of those that succeeded
          </Title>
          <div aria-hidden>
            <LineChart h={200} data={rows} dataKey="label" series={SHARE} unit=" %" yAxisProps={{ domain: [0, 100] }} curveType="linear" connectNulls={false} lineProps={STILL} lineChartProps={PLAIN} tooltipAnimationDuration={0} />
          </div>
        </Card>
      </SimpleGrid>
      <details>
        <summary>The same numbers as a table</summary>
        <Wide label="Tasks by outcome and time">
          <Table fz="sm">
            <Table.Thead>
              <Table.Tr>
                {["From", ...OUTCOMES.map((one) => one.label), "Straight through"].map((name) => (
                  <Table.Th key={name}>{name}</Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map((row) => (
                <Table.Tr key={row.at}>
                  <Table.Th scope="row">{row.label}</Table.Th>
                  <Table.Td>{row.succeeded}</Table.Td>
                  <Table.Td>{row.failed}</Table.Td>
                  <Table.Td>{row.cancelled}</Table.Td>
                  <Table.Td>{row.open}</Table.Td>
                  <Table.Td>{row.share === null ? "–" : `${row.share} %`}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Wide>
        <Text size="xs" c="dimmed">
          {bucket === "day" ? "Days are those of UTC." : "Hours are in your zone."}
        </Text>
      </details>
    </>
  );
}
