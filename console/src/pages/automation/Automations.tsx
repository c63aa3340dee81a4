/** Every automation: what it is for, who answers for it, and how it did in the last 30 days. */
import { Code, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import type { Schemas } from "../../api/client";
import { automationsQuery, numbersQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import { ProblemAlert } from "../../parts/Broken";
import { AnchorLink } from "../../parts/Link";
import { Rows } from "../../parts/Rows";
import { costPerTask, millis, share } from "./numbers";

export function Automations() {
  const session = useSession();
  const automations = useQuery(automationsQuery);
  const numbers = useQuery({ ...numbersQuery, enabled: session.may.includes("task.list") });
  useEffect(() => {
    document.title = "Automations · Interlock";
  }, []);
  return (
    <Stack gap="md" maw={1200}>
      <Title order={1} size="h2">
        Automations
      </Title>
      {automations.isError && <ProblemAlert error={automations.error} retry={() => void automations.refetch()} />}
      {numbers.isError && <ProblemAlert error={numbers.error} retry={() => void numbers.refetch()} />}
      {automations.isSuccess && (
        <Rows
          label="Automations"
          minWidth={860}
          heads={["Automation", "Owner", "Version", "Tasks, 30 days", "Straight through", "p95", "Cost per task", "Failed"]}
          empty="No automation is loaded. Put a folder with an automation.toml where INTERLOCK_AUTOMATIONS points."
        >
          {automations.data.items.map((one) => (
            <Row key={one.name} one={one} numbers={numbers.data?.items.find((found) => found.automation === one.name)} />
          ))}
        </Rows>
      )}
    </Stack>
  );
}

function Row({ one, numbers }: { one: Schemas["AutomationSummary"]; numbers: Schemas["AutomationNumbers"] | undefined }) {
  return (
    <Table.Tr>
      <Table.Td maw={420}>
        <AnchorLink to="/automations/$name" params={{ name: one.name }} fw={600}>
          {one.name}
        </AnchorLink>
        <Text size="sm" c="dimmed">
          {one.goal}
        </Text>
      </Table.Td>
      <Table.Td>{one.owner}</Table.Td>
      <Table.Td>
        <Code>{one.version}</Code>
      </Table.Td>
      <Table.Td>{numbers?.tasks ?? 0}</Table.Td>
      <Table.Td>{share(numbers)}</Table.Td>
      <Table.Td>{millis(numbers?.p95_ms)}</Table.Td>
      <Table.Td>{costPerTask(numbers)}</Table.Td>
      <Table.Td>
        <span className={numbers?.failed ? "bad" : undefined}>{numbers?.failed ?? 0}</span>
      </Table.Td>
    </Table.Tr>
  );
}
