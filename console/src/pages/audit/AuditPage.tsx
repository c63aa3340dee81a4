/** The audit log: records by anything the API filters by, its signed checkpoints, and its keys. All of it is verified in this page. */
import { Button, Group, Stack, Tabs, Text, Title } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { evidenceAddress, readFilter } from "../../lib/audit";
import { Checkpoints, Keys } from "./Checkpoints";
import { Filters } from "./Filters";
import { RecordList } from "./RecordList";
import { api } from "../../api/client";
import { Gate } from "../../parts/Gate";
import { TabRow } from "../../parts/TabRow";

const route = getRouteApi("/signed-in/audit");

export function AuditPage() {
  return (
    <Gate title="Audit log" may="audit.read" ask={() => api.GET("/v1/audit/records", { params: { query: { limit: 1 } } })}>
      <Log />
    </Gate>
  );
}

function Log() {
  const { tab = "records", order, ...search } = route.useSearch();
  const filter = readFilter(search); // whatever else stands in the address
  const navigate = useNavigate();
  useEffect(() => {
    document.title = "Audit log · Interlock";
  }, []);
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Title order={1} size="h2">
          Audit log
        </Title>
        <Button component="a" variant="default" size="xs" href={evidenceAddress(filter)} download leftSection={<IconDownload size={14} aria-hidden />}>
          Evidence pack of these records
        </Button>
      </Group>
      <Tabs value={tab} onChange={(next) => void navigate({ to: "/audit", search: { ...filter, order, tab: next === "records" ? undefined : (next as typeof tab) } })} keepMounted={false}>
        <TabRow>
          <Tabs.Tab value="records">Records</Tabs.Tab>
          <Tabs.Tab value="checkpoints">Checkpoints</Tabs.Tab>
          <Tabs.Tab value="keys">Keys</Tabs.Tab>
        </TabRow>
        <Tabs.Panel value="records" pt="md">
          <Stack gap="md">
            <Filters filter={filter} onChange={(next) => void navigate({ to: "/audit", search: { ...next, order }, replace: true })} />
            <RecordList filter={filter} newest={order !== "oldest"} onOrder={(newest) => void navigate({ to: "/audit", search: { ...filter, order: newest ? undefined : "oldest" }, replace: true })} />
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="checkpoints" pt="md">
          <Text size="sm" c="dimmed" mb="sm">
            A checkpoint is the log's signature over everything up to a size. Keep one elsewhere, and nobody can change the past unnoticed.
          </Text>
          <Checkpoints />
        </Tabs.Panel>
        <Tabs.Panel value="keys" pt="md">
          <Keys />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}
