/** The command palette: pages, and anything by its ID or words. */
import { Spotlight, spotlight, type SpotlightActionData } from "@mantine/spotlight";
import { IconArrowRight, IconBookmark, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { placeOf, viewsQuery } from "../api/views";
import { usePages } from "./pages";

let before: Element | null = null; // where the focus was: by the time that the palette itself looks, its own input has it

export const openPalette = () => {
  before = document.activeElement;
  spotlight.open();
};

/** Give the focus back once the palette is gone, where nothing else has taken it. */
const goBack = () =>
  requestAnimationFrame(() => {
    if (document.activeElement === document.body && before instanceof HTMLElement) before.focus({ preventScroll: true });
  });

export function Palette() {
  const navigate = useNavigate();
  const [query, setQuery] = useState("");
  const pages = usePages();
  const views = useQuery(viewsQuery);
  const found = query.trim();
  const actions: SpotlightActionData[] = pages.map((page) => ({
    id: page.name,
    label: page.label,
    description: page.says,
    leftSection: <page.icon size={18} aria-hidden />,
    onClick: () => void navigate({ to: page.to }),
  }));
  for (const view of views.data?.items ?? []) {
    actions.push({
      id: view.id,
      label: `View: ${view.name}`,
      description: `${view.page === "inbox" ? "Inbox" : "Tasks"}${view.shared ? `, shared by ${view.owner}` : ""}`,
      leftSection: <IconBookmark size={18} aria-hidden />,
      onClick: () => void navigate(placeOf(view)),
    });
  }
  if (/^task_\w{10,}$/.test(found)) {
    actions.unshift({
      id: "open-task",
      label: `Open ${found}`,
      leftSection: <IconArrowRight size={18} aria-hidden />,
      onClick: () => void navigate({ to: "/tasks/$taskId", params: { taskId: found } }),
    });
  } else if (/^rev(iew)?_\w{10,}$/.test(found)) {
    actions.unshift({
      id: "open-review",
      label: `Open ${found}`,
      leftSection: <IconArrowRight size={18} aria-hidden />,
      onClick: () => void navigate({ to: "/reviews/$reviewId", params: { reviewId: found } }),
    });
  } else if (found) {
    actions.push({
      id: "find",
      label: `Find tasks: ${found}`,
      description: "By ID, correlation, label, state or text",
      keywords: found,
      leftSection: <IconSearch size={18} aria-hidden />,
      onClick: () => void navigate({ to: "/tasks", search: { find: found } }),
    });
  }
  return (
    <Spotlight
      attributes={{ content: { "aria-label": "Command palette" } }}
      shortcut={null}
      returnFocus={false}
      onSpotlightClose={goBack}
      actions={actions}
      query={query}
      onQueryChange={setQuery}
      nothingFound="Nothing of this name"
      highlightQuery
      transitionProps={{ duration: 0 }} // what still fades away would swallow the next key
      // focused as it appears: the trap of focus comes a moment later, and the first letters would be lost
      searchProps={{ autoFocus: true, placeholder: "Page, ID or words", leftSection: <IconSearch size={18} aria-hidden />, "aria-label": "Search and commands" }}
    />
  );
}
