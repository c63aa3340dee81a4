/** Which columns of the tasks' table are shown. */
import { Button, Checkbox, Popover, Stack } from "@mantine/core";
import { IconColumns3 } from "@tabler/icons-react";
import { COLUMNS, type ColumnId, IDS } from "./columns";

export function ColumnMenu({ shown, onShow }: { shown: ColumnId[]; onShow: (shown: ColumnId[]) => void }) {
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
              checked={shown.includes(id)}
              disabled={shown.length === 1 && shown.includes(id)}
              onChange={() => onShow(IDS.filter((one) => (one === id) !== shown.includes(one)))}
            />
          ))}
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
