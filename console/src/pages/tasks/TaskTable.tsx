/** The tasks as a table of any length: only the rows on the screen are there, and a scroll fills them anew instead of making others. */
import { useTable } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useEffect, useMemo, useRef } from "react";
import { COLUMNS, type ColumnId, columns, features, IDS, type Task } from "./columns";

const ROW = 44;
const SLOTS = 256; // more than any screen has rows

interface Props {
  tasks: Task[];
  titles: ReadonlyMap<string, string>; // what some are called, by ID
  shown: ColumnId[];
  chosen: ReadonlySet<string>;
  onChoose: (id: string) => void;
  more: () => void;
}

export function TaskTable({ tasks, titles, shown, chosen, onChoose, more }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const columnVisibility = useMemo(() => Object.fromEntries(IDS.map((id) => [id, shown.includes(id)])), [shown]);
  const table = useTable({ features, columns, data: tasks, getRowId: (task) => task.id, state: { columnVisibility } });
  const rows = table.getRowModel().rows;
  const visible = table.getVisibleLeafColumns().map((column) => column.id as ColumnId);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => frame.current, estimateSize: () => ROW, overscan: 6 });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= rows.length - 20) more();
  }, [last, rows.length, more]);
  const grid = { "--columns": ["2rem", ...visible.map((id) => COLUMNS[id].width)].join(" ") } as React.CSSProperties;
  const names = visible.join();
  return (
    <div className="task-table" ref={frame} role="table" aria-label="Tasks" aria-rowcount={rows.length} tabIndex={0} style={grid}>
      <div className="task-sheet">
        <div role="row" className="task-row task-head">
          <span role="columnheader">
            <span className="unseen">Select</span>
          </span>
          {visible.map((id) => (
            <span role="columnheader" key={id}>
              {COLUMNS[id].label}
            </span>
          ))}
        </div>
        <div role="rowgroup" className="task-rows" style={{ height: virtual.getTotalSize() }}>
          {items.map((item) => {
            const task = rows[item.index]!.original;
            return <Row key={item.index % SLOTS} task={task} title={titles.get(task.id)} index={item.index} top={item.start} names={names} chosen={chosen.has(task.id)} onChoose={onChoose} />;
          })}
        </div>
      </div>
    </div>
  );
}

const Row = memo(function Row(props: { task: Task; title: string | undefined; index: number; top: number; names: string; chosen: boolean; onChoose: (id: string) => void }) {
  const { task, title, index, top, names, chosen, onChoose } = props;
  return (
    <div role="row" aria-rowindex={index + 1} className="task-row task-line" style={{ transform: `translateY(${top}px)`, height: ROW }}>
      <span role="cell">
        <input type="checkbox" className="plain-check" checked={chosen} onChange={() => onChoose(task.id)} aria-label={`Select ${task.id}`} />
      </span>
      {(names.split(",") as ColumnId[]).map((id) => (
        <span role="cell" key={id} className="cut">
          {COLUMNS[id].shows(task, title)}
        </span>
      ))}
    </div>
  );
});
