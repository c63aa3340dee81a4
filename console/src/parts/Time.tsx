/** Times in the reader's zone, with UTC on hover. */
import { Tooltip } from "@mantine/core";
import { useEffect, useState } from "react";
import { duration, relative } from "../lib/time";

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Give the present time, renewed every `every` milliseconds. */
export function useNow(every: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

export function Time({ at, ago = false }: { at: string; ago?: boolean }) {
  const now = useNow(30_000);
  const date = new Date(at);
  return (
    <Tooltip label={`${local.format(date)} · ${date.toISOString().replace("T", " ").slice(0, 19)} UTC`}>
      <time dateTime={at}>{ago ? relative(date.getTime(), now) : local.format(date)}</time>
    </Tooltip>
  );
}

/** How long is left until a deadline: in words and a colour, never by colour alone. */
export function Countdown({ until }: { until: string | null | undefined }) {
  const now = useNow(1_000);
  if (!until) return <span className="quiet">no deadline</span>;
  const left = new Date(until).getTime() - now;
  if (left <= 0) return <span className="bad">overdue by {duration(-left)}</span>;
  return <span className={left < 3_600_000 ? "bad" : left < 86_400_000 ? "warn" : undefined}>{duration(left)} left</span>;
}
