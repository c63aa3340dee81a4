/** What happened in one glance: each effect a bar, each wait and each person seen as such. Details open in place. */
import { Badge, Group, Stack, Text, UnstyledButton } from "@mantine/core";
import { IconArrowsShuffle, IconBrain, IconClockHour4, IconGavel, IconPlugConnected, IconRefresh, IconSend, IconTool, IconUser } from "@tabler/icons-react";
import type { Schemas } from "../../api/client";
import { bar, extent, type Span } from "../../lib/gantt";
import { duration } from "../../lib/time";
import { State } from "../../parts/State";
import { useNow } from "../../parts/Time";
import { EffectDetails } from "./EffectDetails";

export type Effect = Schemas["TimelineEffect"];

const KINDS: Record<string, [typeof IconUser, string]> = {
  infer: [IconBrain, "#7048e8"],
  decide: [IconGavel, "#1c7ed6"],
  review: [IconUser, "#e8590c"],
  step: [IconTool, "#0ca678"],
  emit: [IconSend, "#1098ad"],
  fetch: [IconPlugConnected, "#1098ad"],
  sleep: [IconClockHour4, "#868e96"],
};
const OTHER: [typeof IconUser, string] = [IconArrowsShuffle, "#868e96"];

/** When an effect began and ended. What was recorded takes as long as it ran; what waits goes on. */
export function spanOf(effect: Effect): Span | null {
  const started = effect.started_at ?? effect.recorded_at;
  if (!started) return null;
  const recorded = effect.recorded_at ? new Date(effect.recorded_at).getTime() : null;
  let start = new Date(started).getTime();
  if (recorded !== null && effect.duration_ms) start = Math.min(start, recorded - effect.duration_ms);
  return { start, end: effect.status === "pending" ? null : (recorded ?? start) };
}

/** When tries failed, in milliseconds. */
const failedAt = (effect: Effect): number[] => (effect.failed_attempts ?? []).flatMap(({ at }) => (typeof at === "string" ? [new Date(at).getTime()] : []));

export function Gantt(props: { taskId: string; effects: Effect[]; nothing: string; opened: string | null; onOpen: (id: string | null) => void }) {
  const { taskId, effects, nothing, opened, onOpen } = props;
  const now = useNow(1_000);
  const spans = effects.map(spanOf);
  const known = spans.filter((span) => span !== null);
  if (known.length === 0) return <Text c="dimmed">{nothing}</Text>;
  const whole = extent(known, now);
  return (
    <Stack gap={2} component="ol" p={0} m={0} role="list">
      {effects.map((effect, number) => {
        const span = spans[number];
        const [Icon, color] = KINDS[effect.kind] ?? OTHER;
        const key = `${effect.generation}${effect.id}`;
        const place = span ? bar(span, whole, now) : null;
        const took = span ? (span.end ?? now) - span.start : null;
        return (
          <li key={key} className="gantt-item">
            <UnstyledButton className="gantt-row row-link" aria-expanded={opened === key} onClick={() => onOpen(opened === key ? null : key)}>
              <Group gap={6} wrap="nowrap" miw={0}>
                <Icon size={16} aria-hidden color={color} style={{ flex: "none" }} />
                <span className="cut">{effect.name}</span>
                {effect.kind === "review" && effect.by && <Text span size="sm" className="quiet cut" visibleFrom="sm">{effect.by}</Text>}
                {(effect.attempts ?? 1) > 1 && (
                  <Badge size="xs" variant="default" tt="none" leftSection={<IconRefresh size={10} aria-hidden />}>
                    {effect.attempts}
                  </Badge>
                )}
              </Group>
              <span className="gantt-track">
                {place && <span className="gantt-bar" style={{ left: `min(${place.left}%, calc(100% - 3px))`, width: `${place.width}%`, background: color, opacity: effect.status === "pending" ? 0.5 : 1 }} />}
                {failedAt(effect).map((at) => (
                  <span key={at} className="gantt-retry" title="A try that failed" style={{ left: `${bar({ start: at, end: at }, whole, now).left}%` }} />
                ))}
              </span>
              <span className="quiet gantt-took">{took === null ? "" : duration(took)}</span>
              <State state={effect.status} size="xs" />
            </UnstyledButton>
            {opened === key && <EffectDetails taskId={taskId} effect={effect} />}
          </li>
        );
      })}
    </Stack>
  );
}
