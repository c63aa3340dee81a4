/** When the tasks were accepted: a few periods that move along, or any two times. */
import { Button, Group, Popover, Stack } from "@mantine/core";
import { IconCalendar } from "@tabler/icons-react";
import { periodWords, timeOf } from "../../lib/period";
import { MomentLater } from "../../parts/MomentLater";

const AGO: [string, string][] = [
  ["1h", "1 hour"],
  ["24h", "24 hours"],
  ["7d", "7 days"],
  ["30d", "30 days"],
];
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

interface Props {
  since: string | undefined;
  until: string | undefined;
  onChange: (period: { since: string | undefined; until: string | undefined }) => void;
}

export function Period({ since, until, onChange }: Props) {
  return (
    <Popover position="bottom-end" transitionProps={{ duration: 0 }} withinPortal={false} trapFocus width={340}>
      <Popover.Target>
        <Button variant="default" size="xs" leftSection={<IconCalendar size={14} aria-hidden />}>
          {periodWords(since, until, (at) => local.format(at))}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label="When they were accepted">
        <Stack gap="sm">
          <Group gap={6} role="group" aria-label="Accepted within">
            {AGO.map(([ago, words]) => (
              <Button key={ago} size="compact-sm" variant={since === ago && !until ? "filled" : "default"} aria-pressed={since === ago && !until} onClick={() => onChange({ since: ago, until: undefined })}>
                {words}
              </Button>
            ))}
          </Group>
          <MomentLater label="Accepted since" value={timeOf(since, Date.now())} onChange={(next) => onChange({ since: next, until })} />
          <MomentLater label="Accepted before" value={timeOf(until, Date.now())} onChange={(next) => onChange({ since, until: next })} />
          <Group justify="flex-end">
            <Button size="xs" variant="default" disabled={!since && !until} onClick={() => onChange({ since: undefined, until: undefined })}>
              Any time
            </Button>
          </Group>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
