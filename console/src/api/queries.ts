/** What the pages read, each under a key of its own. */
import { infiniteQueryOptions, QueryClient, queryOptions } from "@tanstack/react-query";
import { askedOf, type InboxFilter } from "../lib/inbox";
import { api, ApiError, data, type Schemas } from "./client";

const SIMILAR = 10; // as many as are read beside a case

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (count, error) => count < 3 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 500),
    },
  },
});

export const reviewsQuery = (filter: InboxFilter) =>
  infiniteQueryOptions({
    queryKey: ["reviews", filter],
    refetchInterval: 20_000, // also for whom the policy shows reviews and no events
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => data(api.GET("/v1/reviews", { params: { query: { ...askedOf(filter), limit: 100, cursor: pageParam } } })),
    getNextPageParam: (last: Schemas["ReviewPage"]) => last.next_cursor ?? undefined,
  });

export const reviewQuery = (id: string) =>
  queryOptions({
    queryKey: ["review", id],
    queryFn: () => data(api.GET("/v1/reviews/{review_id}", { params: { path: { review_id: id } } })),
  });

/** The rules that bear on a review: as they were when it was opened. */
export const reviewRulesQuery = (id: string) =>
  queryOptions({
    queryKey: ["review", id, "rules"],
    staleTime: Infinity,
    queryFn: () => data(api.GET("/v1/reviews/{review_id}/rules", { params: { path: { review_id: id } } })),
  });

/** Cases of the same other side, and tasks that are likely the same matter. */
export const similarQuery = (id: string, field: string | null) =>
  queryOptions({
    queryKey: ["similar", id],
    staleTime: 60_000,
    queryFn: () =>
      data(api.GET("/v1/reviews/{review_id}/similar", { params: { path: { review_id: id }, query: { ...(field && { field }), limit: SIMILAR } } })),
  });

export const documentQuery = (id: string) =>
  queryOptions({
    queryKey: ["document", id],
    staleTime: Infinity, // a document never changes
    queryFn: () => data(api.GET("/v1/documents/{document_id}", { params: { path: { document_id: id } } })),
  });

export const pageTextQuery = (id: string, page: number) =>
  queryOptions({
    queryKey: ["document", id, "text", page],
    staleTime: Infinity,
    queryFn: async () => {
      const found = await data(api.GET("/v1/documents/{document_id}/pages/{page}/text", { params: { path: { document_id: id, page } } }));
      return found as Schemas["PageText"]; // the client widens boxes of four to lists
    },
  });

export const taskQuery = (id: string) =>
  queryOptions({
    queryKey: ["task", id, "task"],
    queryFn: () => data(api.GET("/v1/tasks/{task_id}", { params: { path: { task_id: id } } })),
  });

export const timelineQuery = (id: string) =>
  queryOptions({
    queryKey: ["task", id, "timeline"],
    queryFn: () => data(api.GET("/v1/tasks/{task_id}/timeline", { params: { path: { task_id: id } } })),
  });

export const automationsQuery = queryOptions({
  queryKey: ["automations"],
  staleTime: 60_000,
  queryFn: () => data(api.GET("/v1/automations")),
});

export const automationQuery = (name: string) =>
  queryOptions({
    queryKey: ["automation", name],
    staleTime: 60_000,
    queryFn: () => data(api.GET("/v1/automations/{name}", { params: { path: { name } } })),
  });

/** The numbers of the last 30 days, by automation. */
export const numbersQuery = queryOptions({
  queryKey: ["today", "numbers"], // renewed with the home page's
  queryFn: () => data(api.GET("/v1/statistics", { params: { query: { hours: 720 } } })),
});

const NEWEST = 50; // tasks that are looked at
const TIMELINES_MAX = 12; // of which the effects are read

/** The timelines of an automation's newest ended tasks. */
export const pathQuery = (name: string) =>
  queryOptions({
    queryKey: ["path", name],
    staleTime: 60_000,
    queryFn: async () => {
      const newest = await data(api.GET("/v1/tasks", { params: { query: { automation: name, state: ["succeeded", "failed"], limit: NEWEST } } }));
      const wanted = newest.items.slice(0, TIMELINES_MAX);
      return Promise.all(wanted.map((task) => data(api.GET("/v1/tasks/{task_id}/timeline", { params: { path: { task_id: task.id } } }))));
    },
  });

export const auditKeysQuery = queryOptions({
  queryKey: ["audit-keys"],
  staleTime: 60_000,
  queryFn: () => data(api.GET("/v1/audit/keys")),
});

export const policiesQuery = queryOptions({ queryKey: ["policies", "state"], queryFn: () => data(api.GET("/v1/policies")) });

export const changesQuery = queryOptions({
  queryKey: ["policies", "changes"],
  queryFn: () => data(api.GET("/v1/policies/changes", { params: { query: { limit: 100 } } })),
});

/** What decided under a version: it never changes. */
export const policyVersionQuery = (version: string) =>
  queryOptions({
    queryKey: ["policy-version", version],
    staleTime: Infinity,
    queryFn: () => data(api.GET("/v1/policies/versions/{version}", { params: { path: { version } } })),
  });

export const policySetQuery = (number: number) =>
  queryOptions({
    queryKey: ["policy-set", number],
    staleTime: Infinity, // a set never changes
    queryFn: () => data(api.GET("/v1/policies/sets/{number}", { params: { path: { number } } })),
  });
