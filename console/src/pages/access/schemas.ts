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

function password(title: string) {
  return { type: "string", format: "password", title };
}
