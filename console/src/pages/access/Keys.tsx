/** API keys: make, narrow, rotate, end, revoke. */
import { Button, Code, Group, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { keysQuery } from "../../api/access";
import { api, data, type Schemas } from "../../api/client";
import { automationsQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import type { Question } from "../../parts/Ask";
import { AskLater } from "../../parts/AskLater";
import { ProblemAlert } from "../../parts/Broken";
import { Deeds } from "../../parts/Deeds";
import { Once } from "../../parts/Once";
import { Rows } from "../../parts/Rows";
import { State } from "../../parts/State";
import { Time, useNow } from "../../parts/Time";
import { keyEnd, newKey, overlap } from "./schemas";

type Key = Schemas["ApiKey"];
const RENEWS = "keys";

/** The keys of the tenant, or with `own` those that stand for whoever is signed in. */
export function Keys({ own = false }: { own?: boolean }) {
  const session = useSession();
  const keys = useQuery(keysQuery(own));
  const automations = useQuery({ ...automationsQuery, enabled: !own && session.may.includes("automation.read") });
  const [question, setQuestion] = useState<Question | null>(null);
  const [made, setMade] = useState<Schemas["NewApiKey"] | null>(null);
  const now = useNow(30_000);
  const create: Question = {
    title: "Make a key",
    says: "It is shown once. Give it the fewest roles that do, and an end.",
    verb: "Make the key",
    schema: newKey(automations.data?.items.map((one) => one.name) ?? []),
    renews: RENEWS,
    act: async (body) => setMade(await data(api.POST("/v1/keys", { body: body as Schemas["KeyRequest"] }))),
  };
  const deeds = (key: Key) =>
    stateOf(key, now) !== "usable"
      ? []
      : [
          { label: "Give it a new secret", act: () => setQuestion(rotate(key, setMade)) },
          { label: "Let it end", act: () => setQuestion(expire(key)) },
          { label: "Revoke it", danger: true, act: () => setQuestion(revoke(key)) },
        ];
  return (
    <Stack gap="sm">
      {!own && session.may.includes("key.create") && (
        <Group>
          <Button size="xs" onClick={() => setQuestion(create)}>
            Make a key
          </Button>
        </Group>
      )}
      {keys.isError && <ProblemAlert error={keys.error} retry={() => void keys.refetch()} />}
      {keys.isSuccess && (
        <Rows label="Keys" minWidth={860} heads={["Key", "Stands for", "Roles", "Limit", "Last used", "Ends", "State", ""]}>
          {keys.data.items.map((key) => (
            <Table.Tr key={key.id}>
              <Table.Td>
                <Text size="sm" fw={600}>
                  {key.name}
                </Text>
                <Code>{key.id}</Code>
              </Table.Td>
              <Table.Td>{key.user}</Table.Td>
              <Table.Td>
                {key.roles.join(", ")}
                <Narrowed scope={key.scope} />
              </Table.Td>
              <Table.Td>{key.approval_limit ?? "none"}</Table.Td>
              <Table.Td>{key.last_used_at ? <Time at={key.last_used_at} ago /> : "never"}</Table.Td>
              <Table.Td>{key.expires_at ? <Time at={key.expires_at} ago /> : "never"}</Table.Td>
              <Table.Td>
                <State state={stateOf(key, now)} />
              </Table.Td>
              <Table.Td>
                <Deeds of={key.name} deeds={deeds(key)} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Rows>
      )}
      <AskLater question={question} onClose={() => setQuestion(null)} />
      <Once name={made ? `The key ${made.name}` : ""} secret={made?.key ?? null} onClose={() => setMade(null)} />
    </Stack>
  );
}

function stateOf(key: Key, now: number): string {
  if (key.revoked_at) return "revoked";
  return key.expires_at && new Date(key.expires_at).getTime() <= now ? "ended" : "usable";
}

function Narrowed({ scope }: { scope: Schemas["KeyScope"] }) {
  const parts = [...(scope.actions ?? []), ...(scope.automations ?? [])];
  if (!scope.actions && !scope.automations) return null;
  return (
    <Text size="xs" c="dimmed">
      only {parts.join(", ") || "nothing"}
    </Text>
  );
}

const at = (key: Key) => ({ params: { path: { key_id: key.id } } });

const rotate = (key: Key, made: (found: Schemas["NewApiKey"]) => void): Question => ({
  title: `A new secret for ${key.name}`,
  says: "The one before opens as well until the overlap is over, so that programs can change in the meantime.",
  verb: "Give a new secret",
  schema: overlap,
  renews: RENEWS,
  act: async (body) => made(await data(api.POST("/v1/keys/{key_id}:rotate", { ...at(key), body: body as Schemas["RotateRequest"] }))),
});

const expire = (key: Key): Question => ({
  title: `An end for ${key.name}`,
  says: "From then on it opens nothing. It can be set earlier later on, and never later.",
  verb: "Set the end",
  danger: true,
  schema: keyEnd,
  renews: RENEWS,
  act: (body) => data(api.POST("/v1/keys/{key_id}:expire", { ...at(key), body: body as Schemas["ExpireRequest"] })),
});

const revoke = (key: Key): Question => ({
  title: `Revoke ${key.name}?`,
  says: `Whatever uses it, as ${key.user}, is refused at once, and its sessions end. This cannot be undone.`,
  verb: "Revoke the key",
  danger: true,
  renews: RENEWS,
  act: () => api.DELETE("/v1/keys/{key_id}", at(key)),
});
