/** How an identity provider is written in a form: each group on a line, "finance: reviewer, manager, limit 2000", its ID there in brackets. Pure. */
import type { Schemas } from "../api/client";

type Group = Schemas["Group"];
type Asked = Schemas["ProviderRequest"];
export type Written = Record<string, unknown>;

const LIMIT = /^limit\s+(\S+)$/i;

/** Read the groups; a line that names no role is given as it is, and the server says what is missing. */
export function readGroups(text: string): Group[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .map((line) => {
      const at = line.lastIndexOf(":");
      const [head, tail] = at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1)];
      const [, display = head, value] = head.match(/^(.*?)\s*\[([^\]]+)\]$/) ?? [];
      const words = tail.split(",").map((word) => word.trim()).filter(Boolean);
      const limit = words.map((word) => word.match(LIMIT)?.[1]).find(Boolean);
      const roles = words.filter((word) => !LIMIT.test(word));
      return { display, roles, ...(value ? { value } : {}), ...(limit ? { approval_limit: limit } : {}) };
    });
}

/** Write them as they are read. */
export const writeGroups = (groups: readonly Record<string, unknown>[]): string =>
  groups
    .map((group) => {
      const limit = group.approval_limit ? [`limit ${String(group.approval_limit)}`] : [];
      return `${String(group.display)}${group.value ? ` [${String(group.value)}]` : ""}: ${[...(group.roles as string[]), ...limit].join(", ")}`;
    })
    .join("\n");

/** Read what was filled in, as the API takes it. What a claim must be stands as "hd=example.com". */
export function requestOf({ name: _name, groups, required_claims: claims, no_secret: none, ...rest }: Written): Asked {
  const pairs = ((claims as string[] | undefined) ?? []).map((pair) => [pair.split("=")[0]!.trim(), pair.split("=").slice(1).join("=").trim()]);
  const secret = none === true ? { client_secret: "" } : {}; // an empty one takes away what is kept
  return { ...(rest as unknown as Asked), ...secret, groups: readGroups(String(groups ?? "")), required_claims: Object.fromEntries(pairs) };
}

/** What the form shows of one that is set; its secret is not among it, and stays where none is given. */
export function filledIn(provider: Schemas["Provider"]): Record<string, string | string[]> {
  const { issuer, client_id, algorithm, audience, scopes, groups_claim, user_claim } = provider;
  return {
    "/issuer": issuer,
    "/client_id": client_id,
    "/algorithm": algorithm,
    "/audience": audience ?? "",
    "/scopes": [...scopes],
    "/groups_claim": groups_claim,
    "/user_claim": user_claim,
    "/required_claims": Object.entries(provider.required_claims).map(([claim, value]) => `${claim}=${value}`),
    "/groups": writeGroups(provider.groups),
  };
}
