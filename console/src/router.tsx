/** Every page, each loaded when it is first opened. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router";
import { part } from "./lib/onDemand";
import { queryClient } from "./api/queries";
import { sessionQuery } from "./api/session";
import { type AuditFilter, readFilter } from "./lib/audit";
import { type InboxFilter, readInbox } from "./lib/inbox";
import { readEnd } from "./lib/period";
import { wordsOf } from "./lib/words";
import { Broken, NotFound } from "./parts/Broken";

const text = (value: unknown): string | undefined => (typeof value === "string" && value ? value : undefined);

const viewOf = (search: Record<string, unknown>): { view: string | undefined } => ({ view: text(search.view) });

const root = createRootRoute({ notFoundComponent: NotFound, errorComponent: Broken });

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  validateSearch: (search: Record<string, unknown>): { next?: string; tenant?: string; provider?: string } => ({
    next: text(search.next),
    tenant: text(search.tenant),
    provider: text(search.provider),
  }),
  component: lazyRouteComponent(() => part(() => import("./pages/SignIn")), "SignIn"),
});

const signedIn = createRoute({
  getParentRoute: () => root,
  id: "signed-in",
  beforeLoad: async ({ location }) => {
    const session = await queryClient.fetchQuery(sessionQuery);
    if (!session) throw redirect({ to: "/sign-in", search: { next: location.href } });
  },
  component: lazyRouteComponent(() => part(() => import("./frame/Frame")), "Frame"),
});

export type InboxSearch = InboxFilter & { view?: string };

const page = <P extends string>(path: P) => ({ getParentRoute: () => signedIn, path });

const home = createRoute({ ...page("/"), component: lazyRouteComponent(() => part(() => import("./pages/Home")), "Home") });
const inbox = createRoute({
  ...page("/inbox"),
  validateSearch: (search: Record<string, unknown>): InboxSearch => ({ ...readInbox(search), ...viewOf(search) }),
  component: lazyRouteComponent(() => part(() => import("./pages/Inbox")), "Inbox"),
});
const review = createRoute({
  ...page("/reviews/$reviewId"),
  validateSearch: (search: Record<string, unknown>): InboxSearch => ({ ...readInbox(search), ...viewOf(search) }),
  component: lazyRouteComponent(() => part(() => import("./pages/review/ReviewPage")), "ReviewPage"),
});
export type TasksSearch = { find?: string; columns?: string; since?: string; until?: string; view?: string };
const tasks = createRoute({
  ...page("/tasks"),
  validateSearch: (search: Record<string, unknown>): TasksSearch => ({
    find: wordsOf(search.find),
    columns: text(search.columns),
    since: readEnd(search.since),
    until: readEnd(search.until),
    ...viewOf(search),
  }),
  component: lazyRouteComponent(() => part(() => import("./pages/Tasks")), "Tasks"),
});
const task = createRoute({
  ...page("/tasks/$taskId"),
  component: lazyRouteComponent(() => part(() => import("./pages/task/TaskPage")), "TaskPage"),
});
const automations = createRoute({
  ...page("/automations"),
  component: lazyRouteComponent(() => part(() => import("./pages/automation/Automations")), "Automations"),
});
const automation = createRoute({
  ...page("/automations/$name"),
  component: lazyRouteComponent(() => part(() => import("./pages/automation/AutomationPage")), "AutomationPage"),
});
const TABS = ["keys", "people", "sessions", "delegations", "elevations", "providers", "webhook"] as const;
export type AccessTab = (typeof TABS)[number];
const access = createRoute({
  ...page("/access"),
  validateSearch: (search: Record<string, unknown>): { tab?: AccessTab } => ({ tab: TABS.find((tab) => tab === search.tab) }),
  component: lazyRouteComponent(() => part(() => import("./pages/access/Access")), "Access"),
});
const profile = createRoute({ ...page("/profile"), component: lazyRouteComponent(() => part(() => import("./pages/Profile")), "Profile") });

export type AuditSearch = AuditFilter & { tab?: "records" | "checkpoints" | "keys"; order?: "oldest" };
const audit = createRoute({
  ...page("/audit"),
  validateSearch: (search: Record<string, unknown>): AuditSearch => ({
    ...readFilter(search),
    tab: (["checkpoints", "keys"] as const).find((tab) => tab === search.tab),
    order: search.order === "oldest" ? "oldest" : undefined,
  }),
  component: lazyRouteComponent(() => part(() => import("./pages/audit/AuditPage")), "AuditPage"),
});
export type PoliciesSearch = { tab?: "in-force" | "change" | "history" | "shadow" };
const policies = createRoute({
  ...page("/policies"),
  validateSearch: (search: Record<string, unknown>): PoliciesSearch => ({
    tab: (["change", "history", "shadow"] as const).find((tab) => tab === search.tab),
  }),
  component: lazyRouteComponent(() => part(() => import("./pages/policies/PoliciesPage")), "PoliciesPage"),
});
const privacy = createRoute({
  ...page("/privacy"),
  validateSearch: (search: Record<string, unknown>): { subject?: string } => ({ subject: wordsOf(search.subject) }),
  component: lazyRouteComponent(() => part(() => import("./pages/privacy/PrivacyPage")), "PrivacyPage"),
});
const models = createRoute({ ...page("/models"), component: lazyRouteComponent(() => part(() => import("./pages/models/ModelsPage")), "ModelsPage") });

// What no page has, inside of the frame for who has signed in.
const nothing = createRoute({ ...page("$"), component: NotFound });

export const router = createRouter({
  routeTree: root.addChildren([
    signIn,
    signedIn.addChildren([
      home, inbox, review, tasks, task, automations, automation, access, profile, audit, policies, privacy, models, nothing,
    ]), // prettier-ignore
  ]),
  basepath: "/console",
  defaultPreload: "intent",
  defaultErrorComponent: Broken, // inside of the frame, whose other pages one can still go to
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
