/** What the dialogs of access ask for, as the API takes it; the API says what is wrong, at the field. */
export const ROLES = ["owner", "author", "operator", "reviewer", "manager", "finance", "auditor", "privacy", "ml-release", "agent"];

const text = (title: string, description = "") => ({ type: "string", title, description });
const roles = { type: "array", items: { type: "string", enum: ROLES }, title: "Roles", description: "One of these, or a role that reviews name." };
const limit = { anyOf: [{ type: "number" }, { type: "string" }], title: "Approval limit", description: "The most that may be approved. Empty: no limit." };
const time = (title: string, description: string) => ({ type: "string", format: "date-time", title, description });
const object = (properties: object, required: string[] = []) => ({ type: "object", properties, required });

export const newKey = (automations: string[]) =>
  object(
    {
      name: text("Name", "What people call it."),
      user: text("Stands for", "user:NAME, service:NAME or agent:NAME."),
      roles,
      approval_limit: limit,
      expires_at: time("Ends", "In your own time. Empty: never."),
      scope: {
        title: "Narrowed to",
        ...object({
          actions: { type: "array", items: { type: "string" }, title: "Actions", description: "Such as task.submit, task.* or read. Empty: whatever the roles allow." },
          automations: { type: "array", items: { type: "string", enum: automations }, title: "Automations", description: "Empty: all of them." },
        }),
      },
    },
    ["name", "user", "roles"],
  );
export const overlap = object({ overlap_s: { type: "number", title: "Overlap in seconds", description: "How long the secret before opens as well.", default: 86400 } });
export const keyEnd = object({ at: time("Ends", "In your own time; earlier than now set.") }, ["at"]);
export const newUser = object(
  { id: text("ID", "user:NAME."), name: text("Name"), roles, approval_limit: limit, password: { ...password("Password"), description: "12 characters or more. Empty: they cannot sign in with one." } },
  ["id", "name"],
);
export const newService = object({ id: text("ID", "service:NAME."), name: text("Name") }, ["id", "name"]);
export const otherRoles = object({ roles, approval_limit: limit });
export const newPassword = object({ password: password("New password") }, ["password"]);
export const ownPassword = object({ current: password("Password until now"), password: { ...password("New password"), description: "12 characters or more; common ones are refused." } }, ["current", "password"]);
export const newDelegation = object(
  {
    to: text("To", "user:NAME, who then answers on your behalf."),
    until: time("Until", "In your own time."),
    roles: { type: "array", items: { type: "string", enum: ROLES }, title: "Roles", description: "Some of your own. Empty: all that answer reviews." },
    approval_limit: { ...limit, description: "At most your own. Empty: your own." },
  },
  ["to", "until"],
);
export const newElevation = object(
  {
    actions: {
      type: "array",
      title: "Actions",
      description: "Only what is needed.",
      items: {
        type: "string",
        enum: [
          "account.list", "automation.read", "document.read", "key.expire", "key.list", "key.revoke", "policy.read", "policy.rollback", "review.list",
          "review.read", "secret.read", "session.end", "session.list", "system.read", "task.cancel", "task.list", "task.read", "task.retry", "task.signal",
          "task.submit",
        ],
      },
    }, // prettier-ignore
    reason: { type: "string", title: "Reason", description: "Another person reads it afterwards.", maxLength: 2000 },
    minutes: { type: "integer", title: "Minutes", default: 30 },
  },
  ["actions", "reason"],
);
export const acknowledgement = object({ note: { type: "string", title: "What you found", maxLength: 2000 } }, ["note"]);

const provider = {
  issuer: text("Issuer", "Its URL, exactly as its tokens say in iss."),
  client_id: text("Client", "What this installation is called there."),
  client_secret: { ...password("Client's secret"), description: "Empty: it stays as it was, or there is none." },
  groups: { type: "string", maxLength: 20000, title: "Groups", description: "One on each line, with the roles of its people here: finance: reviewer, manager, limit 2000. Its ID there in brackets: finance [0a1b]: reviewer. Who is in none does not get in." },
  user_claim: { type: "string", enum: ["sub", "email", "preferred_username"], title: "People are called by", default: "sub" },
  groups_claim: { ...text("Claim with the groups"), default: "groups" },
  required_claims: { type: "array", items: { type: "string" }, title: "Claims that must be so", description: "Such as hd=example.com." },
  scopes: { type: "array", items: { type: "string" }, title: "Scopes", description: "What is asked for beside openid. Empty: profile and email." },
  algorithm: { type: "string", enum: ["RS256", "ES256", "EdDSA"], title: "Tokens are signed with", default: "RS256" },
  audience: text("Audience of programs", "What programs' access tokens are for. Empty: none is taken."),
};
const PROVIDER_NEEDS = ["issuer", "client_id", "groups"];
const { issuer, client_id, client_secret, ...others } = provider;
const no_secret = { type: "boolean", title: "Take the kept secret away", description: "For a client that needs none." };
export const changedProvider = (secret: boolean) => object({ issuer, client_id, client_secret, ...(secret ? { no_secret } : {}), ...others }, PROVIDER_NEEDS);
export const newProvider = object({ name: text("Name", "As people type it when they sign in: lower-case words joined by dashes."), ...provider }, ["name", ...PROVIDER_NEEDS]);
export const webhook = object({ url: { type: "string", title: "Address", description: "https://…, public, or on the allow-list of this installation." } }, ["url"]);

function password(title: string) {
  return { type: "string", format: "password", title };
}
