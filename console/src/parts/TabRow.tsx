/** The names of tabs in one row, which scrolls where the screen has no room for all; the chosen one is in sight, and so is the focused one. */
import { Tabs } from "@mantine/core";
import { type ReactNode, useEffect, useRef } from "react";

/** Scroll the row alone, and never the page. */
function show(row: HTMLElement | null, tab: HTMLElement | null): void {
  if (!row || !tab) return;
  const beyond = tab.offsetLeft + tab.offsetWidth - row.clientWidth;
  if (row.scrollLeft < beyond) row.scrollLeft = beyond;
  else if (row.scrollLeft > tab.offsetLeft) row.scrollLeft = tab.offsetLeft;
}

export function TabRow({ children }: { children: ReactNode }) {
  const row = useRef<HTMLDivElement>(null);
  useEffect(() => show(row.current, row.current?.querySelector<HTMLElement>('[aria-selected="true"]') ?? null), []);
  return (
    <Tabs.List ref={row} className="tab-row" onFocus={(event) => show(row.current, event.target.closest<HTMLElement>('[role="tab"]'))}>
      {children}
    </Tabs.List>
  );
}
