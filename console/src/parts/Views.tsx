/** The kept views of a page: pick one, keep what stands there now, rename, update, share and delete it. */
import { Button, Menu } from "@mantine/core";
import { IconBookmark, IconBookmarkFilled, IconUsers } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useSession } from "../api/session";
import { createView, deleteView, placeOf, replaceView, type View, type ViewPage, viewsQuery } from "../api/views";
import { said, same } from "../lib/words";
import type { Question } from "./Ask";
import { AskLater } from "./AskLater";

interface Props {
  page: ViewPage;
  filters: object; // what stands there now
  picked: string | undefined; // the view that the page was opened with
}

export function Views({ page, filters, picked }: Props) {
  const navigate = useNavigate();
  const session = useSession();
  const found = useQuery(viewsQuery);
  const [question, setQuestion] = useState<Question | null>(null);
  const views = (found.data?.items ?? []).filter((view) => view.page === page);
  const current = views.find((view) => view.id === picked);
  const changed = current !== undefined && !same(current.filters, filters);
  const share = session.may.includes("view.share");
  const go = (view: View) => void navigate(placeOf(view));
  return (
    <>
      <Menu position="bottom-end" transitionProps={{ duration: 0 }} width={260} withinPortal={false} withInitialFocusPlaceholder={false}>
        <Menu.Target>
          <Button variant="default" size="xs" leftSection={current ? <IconBookmarkFilled size={14} aria-hidden /> : <IconBookmark size={14} aria-hidden />}>
            {current ? `${current.name}${changed ? ", changed" : ""}` : "Views"}
          </Button>
        </Menu.Target>
        <Menu.Dropdown mah={360} className="scrolls">
          {views.map((view) => (
            <Menu.Item key={view.id} onClick={() => go(view)} leftSection={view.shared ? <IconUsers size={14} aria-label="Shared" /> : <IconBookmark size={14} aria-hidden />}>
              {view.name}
              {view.owner !== session.user && <span className="quiet"> {view.owner}</span>}
            </Menu.Item>
          ))}
          {views.length > 0 && <Menu.Divider />}
          <Menu.Item onClick={() => setQuestion(saving(page, said(filters), share, go))}>Save view…</Menu.Item>
          {current?.may_change && (
            <>
              <Menu.Item disabled={!changed} onClick={() => setQuestion(updating(current, said(filters)))}>
                Update “{current.name}”
              </Menu.Item>
              <Menu.Item onClick={() => setQuestion(naming(current, share))}>{share || current.shared ? "Rename or share…" : "Rename…"}</Menu.Item>
              <Menu.Item className="bad" onClick={() => setQuestion(deleting(current))}>
                Delete…
              </Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      <AskLater question={question} onClose={() => setQuestion(null)} />
    </>
  );
}

const RENEWS = "views";
const named = (share: boolean) => ({
  type: "object",
  required: ["name"],
  properties: {
    name: { type: "string", title: "Name", minLength: 1, maxLength: 80 },
    ...(share ? { shared: { type: "boolean", title: "Everybody in the tenant sees it" } } : {}),
  },
});
const bodyOf = (value: unknown, before: Pick<View, "page" | "filters" | "shared">) => {
  const { name, shared = before.shared } = value as { name: string; shared?: boolean };
  return { page: before.page, filters: before.filters, name: name.trim(), shared };
};

const saving = (page: ViewPage, filters: Record<string, string>, share: boolean, go: (view: View) => void): Question => ({
  title: "Save view",
  says: "It keeps what the list is narrowed to now, under a name. It stands in the menu and in the command palette.",
  verb: "Save",
  schema: named(share),
  renews: RENEWS,
  act: async (value) => go(await createView(bodyOf(value, { page, filters, shared: false }))),
});

const updating = (view: View, filters: Record<string, string>): Question => ({
  title: `Update “${view.name}”`,
  says: view.shared ? "It keeps what the list is narrowed to now, for everybody who sees it." : "It keeps what the list is narrowed to now.",
  verb: "Update",
  renews: RENEWS,
  act: () => replaceView(view.id, { page: view.page, name: view.name, filters, shared: view.shared }),
});

const naming = (view: View, share: boolean): Question => ({
  title: "Rename view",
  says: `It is called “${view.name}” now.`,
  verb: "Rename",
  schema: named(share || view.shared),
  first: { "/name": view.name, "/shared": String(view.shared) },
  renews: RENEWS,
  act: (value) => replaceView(view.id, bodyOf(value, view)),
});

const deleting = (view: View): Question => ({
  title: `Delete “${view.name}”?`,
  says: view.shared ? "Nobody in the tenant sees it then." : "The filters that it keeps are gone then.",
  verb: "Delete",
  danger: true,
  renews: RENEWS,
  act: () => deleteView(view.id),
});
