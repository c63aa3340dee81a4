/** Views: filters of the inbox and of the tasks, kept under a name by the server. */
import { queryOptions } from "@tanstack/react-query";
import { api, data, type Schemas } from "./client";

export type View = Schemas["View"];
export type ViewPage = View["page"];

export const viewsQuery = queryOptions({
  queryKey: ["views"],
  staleTime: 30_000,
  queryFn: () => data(api.GET("/v1/views")),
});

export const createView = (body: Schemas["SaveView"]) => data(api.POST("/v1/views", { body }));

export const replaceView = (id: string, body: Schemas["SaveView"]) =>
  data(api.PUT("/v1/views/{view_id}", { params: { path: { view_id: id } }, body }));

export const deleteView = (id: string) => api.DELETE("/v1/views/{view_id}", { params: { path: { view_id: id } } });

/** Where a view leads: its page with its filters, and which view it is. */
export const placeOf = (view: View) => ({ to: view.page === "inbox" ? ("/inbox" as const) : ("/tasks" as const), search: { ...view.filters, view: view.id } });
