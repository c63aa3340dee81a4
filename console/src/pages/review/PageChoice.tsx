/** Which page of a document is shown: a few stand beside each other, many are gone through or picked from a list. */
import { ActionIcon, Group, NativeSelect, SegmentedControl } from "@mantine/core";
import { IconChevronLeft, IconChevronRight } from "@tabler/icons-react";

const FEW = 4; // as many as a phone has room for

export function PageChoice({ at, of, onChange }: { at: number; of: number; onChange: (page: number) => void }) {
  if (of < 2) return null;
  const numbers = Array.from({ length: of }, (_, number) => number + 1);
  if (of <= FEW) {
    return <SegmentedControl size="xs" value={String(at)} onChange={(value) => onChange(Number(value))} data={numbers.map((page) => ({ value: String(page), label: `Page ${page}` }))} aria-label="Page" />;
  }
  return (
    <Group gap={4} wrap="nowrap" role="group" aria-label="Pages">
      <ActionIcon variant="subtle" aria-label="Previous page" disabled={at === 1} onClick={() => onChange(at - 1)}>
        <IconChevronLeft size={18} aria-hidden />
      </ActionIcon>
      <NativeSelect size="xs" aria-label="Page" value={String(at)} onChange={(event) => onChange(Number(event.currentTarget.value))} data={numbers.map((page) => ({ value: String(page), label: `Page ${page} of ${of}` }))} />
      <ActionIcon variant="subtle" aria-label="Next page" disabled={at === of} onClick={() => onChange(at + 1)}>
        <IconChevronRight size={18} aria-hidden />
      </ActionIcon>
    </Group>
  );
}
