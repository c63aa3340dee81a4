/** The public API, typed by its own OpenAPI document: the console has no other way in. */
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Problem = Schemas["Problem"];

/** A request that was refused or failed, as RFC 9457 says it; `status` 0 is no answer at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: Partial<Problem>,
  ) {
    super(problem.detail ?? problem.title ?? `The server answered ${status}.`);
  }
  get code(): string {
    return this.problem.code ?? "";
  }
  /** The policies that refused it, where one did. */
  get policies(): { policy: string; text: string }[] {
    const decision = (this.problem as { decision?: { reasons?: { policy: string; text: string }[] } }).decision;
    return decision?.reasons ?? [];
  }
}

let csrfToken = "";
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

interface Elevation {
  id: string;
  actions: string[];
}
let elevation: Elevation | null = null;
/** Use an emergency elevation for what is refused without it from now on; null uses none. */
export function setElevation(used: Elevation | null): void {
  elevation = used;
}
export const elevatedActions = (): string[] => elevation?.actions ?? [];

/** What every request carries beside the cookie. */
export const ownHeaders = (method: string): Record<string, string> => (method !== "GET" && csrfToken ? { "x-csrf-token": csrfToken } : {});

const spares = new WeakMap<Request, Request>(); // a body can be sent once

/** Ask again with the elevation where it is for this, and only there: each use of it is on record. */
async function lifted(request: Request, response: Response): Promise<Response> {
  const spare = spares.get(request);
  if (response.status !== 403 || !spare || !elevation) return response;
  const { action } = (await response.clone().json().catch(() => ({}))) as { action?: string };
  if (!action || !elevation.actions.includes(action)) return response;
  const headers = new Headers(spare.headers);
  headers.set("interlock-elevation", elevation.id);
  return fetch(new Request(spare, { headers }));
}

const guard: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(ownHeaders(request.method))) request.headers.set(name, value);
    if (elevation) spares.set(request, request.clone());
    return request;
  },
  async onResponse({ request, response: first }) {
    const response = await lifted(request, first);
    if (response.ok) return response;
    if (response.status === 401 && csrfToken && !response.url.endsWith("/v1/sessions")) signInAgain();
    const body = (await response.json().catch(() => ({}))) as Partial<Problem>;
    throw new ApiError(response.status, body);
  },
  onError({ error }) {
    if (error instanceof ApiError) return error;
    return new ApiError(0, { title: "No answer", detail: "The server does not answer. Nothing was lost; try again." });
  },
};

/** The session is over: sign in, and come back to this very page. */
export function signInAgain(): void {
  location.assign(`/console/sign-in?next=${encodeURIComponent(location.pathname.slice("/console".length) + location.search)}`);
}

export const api = createClient<paths>({ baseUrl: "/" });
api.use(guard);

/** Give the data of an answer; errors were thrown before. */
export async function data<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}
