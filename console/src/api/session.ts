/** Who is signed in. The session is the server's; the browser holds a cookie that scripts cannot read. */
import { queryOptions, useQuery } from "@tanstack/react-query";
import { api, ApiError, data, elevatedActions, type Problem, type Schemas, setCsrfToken } from "./client";

export type Session = Schemas["CurrentSession"];

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  staleTime: 60_000,
  retry: false,
  queryFn: async (): Promise<Session | null> => {
    if (!mayBeSignedIn()) return null;
    try {
      const session = await data(api.GET("/v1/sessions/current"));
      setCsrfToken(session.csrf_token);
      return { ...session, may: [...new Set([...session.may, ...elevatedActions()])] }; // what an elevation is for is offered too
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 404)) return null;
      throw error;
    }
  },
});

let started = false; // a session began on this page

/** Tell whether the page came with a session's cookie, as far as the server saw; without one there is nothing to ask. */
function mayBeSignedIn(): boolean {
  return started || document.querySelector<HTMLMetaElement>('meta[name="session"]')?.content !== "none";
}

export function useSession(): Session {
  const { data: session } = useQuery(sessionQuery);
  if (!session) throw new Error("nobody is signed in");
  return session;
}

export async function signInWithKey(key: string): Promise<Session> {
  return begun(data(api.POST("/v1/sessions", { headers: { authorization: `Bearer ${key}` } })));
}

export async function signInWithPassword(tenant: string, user: string, password: string): Promise<Session> {
  const name = user.includes(":") ? user : `user:${user}`;
  return begun(data(api.POST("/v1/sessions", { body: { tenant, user: name, password } })));
}

async function begun(session: Promise<Session>): Promise<Session> {
  const found = await session;
  setCsrfToken(found.csrf_token);
  started = true;
  return found;
}

export async function signOut(): Promise<void> {
  await api.DELETE("/v1/sessions/{session_id}", { params: { path: { session_id: "current" } } });
  setCsrfToken("");
}

/** Go to an identity provider to sign in, and come back to `path`. Asked for once before, so that a refusal is told here and not on a page of its own. */
export async function signInByProvider(tenant: string, name: string, path: string): Promise<void> {
  const at = `/v1/sign-in/oidc/${encodeURIComponent(tenant)}/${encodeURIComponent(name)}?return_to=${encodeURIComponent(path)}`;
  const answer = await fetch(at, { redirect: "manual" });
  if (answer.type !== "opaqueredirect") throw new ApiError(answer.status, (await answer.json().catch(() => ({}))) as Partial<Problem>);
  location.assign(at);
}
