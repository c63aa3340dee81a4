/** Which columns of the tasks' table are shown. */
import { Button, Checkbox, Popover, Stack } from "@mantine/core";
import { IconColumns3 } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { COLUMNS, type ColumnId, IDS } from "./columns";

export function ColumnMenu({ shown, onShow }: { shown: ColumnId[]; onShow: (shown: ColumnId[]) => void }) {
  const [ticked, tick] = useState<ColumnId[] | null>(null); // until the address, which follows a moment later, says so too
  const now = ticked ?? shown;
  useEffect(() => tick((before) => (before?.join() === shown.join() ? null : before)), [shown, ticked]);
  const turn = (id: ColumnId) => {
    const next = IDS.filter((one) => (one === id) !== now.includes(one));
    tick(next);
    onShow(next);
  };
  return (
    <Popover position="bottom-end" transitionProps={{ duration: 0 }} withinPortal={false} trapFocus>
      <Popover.Target>
        <Button variant="default" size="xs" leftSection={<IconColumns3 size={14} aria-hidden />}>
          Columns
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label="Columns">
        <Stack gap="xs">
          {IDS.map((id) => (
            <Checkbox
              key={id}
              label={COLUMNS[id].label}
              checked={now.includes(id)}
              disabled={now.length === 1 && now.includes(id)}
              onChange={() => turn(id)}
            />
          ))}
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
