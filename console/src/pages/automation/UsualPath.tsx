/** How the newest tasks of an automation went: each effect in order, in how many of them it came. */
import { Code, Group, Progress, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { pathQuery } from "../../api/queries";
import { usualPath } from "../../lib/path";
import { ProblemAlert } from "../../parts/Broken";
import { Loading } from "../../parts/Loading";
import { millis } from "./numbers";

export function UsualPath({ name }: { name: string }) {
  const path = useQuery(pathQuery(name));
  if (path.isError) return <ProblemAlert error={path.error} retry={() => void path.refetch()} />;
  if (!path.data) return <Loading what="The path" height={240} />;
  if (path.data.length === 0) return <Text c="dimmed">None of its tasks has ended yet. Try it, and its path appears here.</Text>;
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        As recorded in its {path.data.length} newest tasks that ended; how long each effect took is the median.
      </Text>
      <ol className="path">
        {usualPath(path.data).map((stop) => (
          <li key={`${stop.kind}:${stop.name}`}>
            <Group justify="space-between" gap="sm" wrap="nowrap">
              <Group gap="xs" miw={0}>
                <Code>{stop.kind}</Code>
                <Text fw={600} className="mono" size="sm">
                  {stop.name}
                </Text>
              </Group>
              <Text size="sm" c="dimmed" ta="right">
                in {stop.tasks} of {path.data.length} · {millis(stop.ms)}
                {stop.bad > 0 && <span className="bad"> · {stop.bad} went wrong</span>}
              </Text>
            </Group>
            <Progress value={stop.share * 100} size="xs" mt={4} aria-label={`Share of tasks with ${stop.name}`} />
          </li>
        ))}
      </ol>
    </Stack>
  );
}
