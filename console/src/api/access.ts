/** Who gets in, and as what: what the pages of access read. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, data, type Schemas } from "./client";

export const keysQuery = (own: boolean) =>
  queryOptions({ queryKey: ["keys", own], queryFn: () => data(api.GET("/v1/keys", { params: { query: { own } } })) });

export const usersQuery = queryOptions({ queryKey: ["accounts", "users"], queryFn: () => data(api.GET("/v1/users")) });
export const servicesQuery = queryOptions({ queryKey: ["accounts", "services"], queryFn: () => data(api.GET("/v1/services")) });

export const sessionsQuery = (all: boolean) =>
  queryOptions({ queryKey: ["sessions", all], queryFn: () => data(api.GET("/v1/sessions", { params: { query: { all } } })) });

export const delegationsQuery = (all: boolean) =>
  infiniteQueryOptions({
    queryKey: ["delegations", all],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => data(api.GET("/v1/delegations", { params: { query: { all, limit: 100, cursor: pageParam } } })),
    getNextPageParam: (last: Schemas["DelegationPage"]) => last.next_cursor ?? undefined,
  });

export const elevationsQuery = infiniteQueryOptions({
  queryKey: ["elevations", "any"],
  initialPageParam: undefined as string | undefined,
  queryFn: ({ pageParam }) => data(api.GET("/v1/elevations", { params: { query: { limit: 100, cursor: pageParam } } })),
  getNextPageParam: (last: Schemas["ElevationPage"]) => last.next_cursor ?? undefined,
});

/** The elevations that are open now; looked at again often, since one ends by itself and makes no event then. */
export const openElevationsQuery = queryOptions({
  queryKey: ["elevations", "open"],
  refetchInterval: 20_000,
  queryFn: () => data(api.GET("/v1/elevations", { params: { query: { state: "open", limit: 20 } } })),
});

export const providersQuery = queryOptions({ queryKey: ["providers"], queryFn: () => data(api.GET("/v1/identity-providers")) });

/** The tenant's webhook and what it was told, looked at again often while somebody waits for an outcome. */
export const webhookCallsQuery = infiniteQueryOptions({
  queryKey: ["webhook", "calls"],
  refetchInterval: 5_000,
  initialPageParam: undefined as string | undefined,
  queryFn: ({ pageParam }) => data(api.GET("/v1/webhook/deliveries", { params: { query: { limit: 20, cursor: pageParam } } })),
  getNextPageParam: (last: Schemas["WebhookCalls"]) => last.next_cursor ?? undefined,
});
