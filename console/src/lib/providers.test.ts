import { expect, test } from "vitest";
import { filledIn, readGroups, requestOf, writeGroups } from "./providers";

const GROUPS = [
  { display: "finance", roles: ["reviewer", "manager"], approval_limit: "2000" },
  { display: "People: EU", value: "0a1b-2c", roles: ["auditor"] },
];

test("groups are read as they are written", () => {
  const text = "finance: reviewer, manager, limit 2000\nPeople: EU [0a1b-2c]: auditor";
  expect(readGroups(text)).toEqual(GROUPS);
  expect(writeGroups(GROUPS)).toBe(text);
  expect(readGroups(`\n  ${text}  \n\n`)).toEqual(GROUPS);
});

test("a line without a role goes to the server, which says what is missing", () => {
  expect(readGroups("finance")).toEqual([{ display: "finance", roles: [] }]);
  expect(readGroups("finance: limit 5")).toEqual([{ display: "finance", roles: [], approval_limit: "5" }]);
  expect(readGroups("")).toEqual([]);
});

test("what is set and not changed is asked for as it was, without a secret", () => {
  const set = {
    name: "company", issuer: "https://login.example.com", client_id: "interlock", has_secret: true, algorithm: "ES256" as const, audience: null,
    scopes: ["profile"], groups_claim: "groups", user_claim: "email" as const, required_claims: { hd: "example.com=1" }, groups: GROUPS, set_by: "user:olga",
    set_at: "2026-01-01T00:00:00Z",
  }; // prettier-ignore
  const typed = filledIn(set);
  const value = Object.fromEntries(Object.entries(typed).filter(([, one]) => one.length > 0).map(([pointer, one]) => [pointer.slice(1), one]));
  const { name: _n, has_secret: _h, set_by: _b, set_at: _a, audience: _u, ...asked } = set;
  expect(requestOf({ name: "company", ...value })).toEqual(asked);
  expect(requestOf({ name: "company", ...value, no_secret: false })).toEqual(asked);
  expect(requestOf({ name: "company", ...value, no_secret: true })).toEqual({ ...asked, client_secret: "" }); // which takes it away
});
