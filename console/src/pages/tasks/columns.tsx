/** The columns of the tasks' table: what each shows of a task, how wide it is, and which of them are shown. */
import { columnVisibilityFeature, createColumnHelper, tableFeatures } from "@tanstack/react-table";
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { labelsOf, saysOf } from "../../lib/task";
import { duration, relative } from "../../lib/time";
import { PlainState } from "../../parts/State";

export type Task = Schemas["TaskSummary"];
export type ColumnId = "state" | "what" | "by" | "accepted" | "took" | "resolved" | "labels" | "version" | "correlation" | "id";

interface Column {
  label: string;
  width: string; // as CSS has it in a grid
  shows: (task: Task, title?: string) => ReactNode;
}

/** In the order in which they stand. Plain elements only: dozens of rows are filled anew in each frame of a scroll. */
export const COLUMNS: Record<ColumnId, Column> = {
  state: { label: "State", width: "6.75rem", shows: (task) => <PlainState state={task.state} /> },
  what: {
    label: "What",
    width: "minmax(6rem, 1fr)",
    shows: (task, title) => (
      <a href={`/console/tasks/${task.id}`} className="plain-link">
        {task.automation} <span className="quiet">{title ?? saysOf(task)}</span>
      </a>
    ),
  },
  by: { label: "By", width: "minmax(5rem, 10rem)", shows: (task) => <span className="quiet">{task.submitted_by}</span> },
  accepted: { label: "Accepted", width: "5rem", shows: (task) => <Moment at={task.accepted_at} /> },
  took: { label: "Took", width: "6rem", shows: (task) => <span className="quiet">{tookOf(task)}</span> },
  resolved: { label: "Resolved", width: "minmax(5rem, 10rem)", shows: (task) => task.resolved && <span title={task.resolved.note ?? ""}>{task.resolved.by}</span> },
  labels: { label: "Labels", width: "minmax(6rem, 12rem)", shows: (task) => <span className="quiet">{labelsOf(task)}</span> },
  version: { label: "Version", width: "4.5rem", shows: (task) => <span className="quiet">{task.version}</span> },
  correlation: { label: "Correlation", width: "8rem", shows: (task) => <span className="mono quiet">{task.correlation_id}</span> },
  id: { label: "ID", width: "8rem", shows: (task) => <span className="mono quiet">{task.id}</span> },
};
export const IDS = Object.keys(COLUMNS) as ColumnId[];
const WIDE: ColumnId[] = ["state", "what", "by", "accepted", "took", "resolved"];
const NARROW: ColumnId[] = ["state", "what"]; // a phone has room for what it is about

/** Read which columns are shown; where nothing is said, those that fit the screen. */
export function readColumns(text: string | null | undefined, narrow: boolean): ColumnId[] {
  const named = (text ?? "").split(",");
  const found = IDS.filter((id) => named.includes(id));
  return found.length ? found : narrow ? NARROW : WIDE;
}

export const features = tableFeatures({ columnVisibilityFeature });
const helper = createColumnHelper<typeof features, Task>();
export const columns = helper.columns(IDS.map((id) => helper.display({ id, header: COLUMNS[id].label })));

function Moment({ at }: { at: string }) {
  const date = new Date(at);
  return (
    <time className="quiet" dateTime={at} title={`${date.toISOString().replace("T", " ").slice(0, 19)} UTC`}>
      {relative(date.getTime(), Date.now())}
    </time>
  );
}

const tookOf = (task: Task): string => (task.ended_at ? duration(new Date(task.ended_at).getTime() - new Date(task.accepted_at).getTime()) : "");
