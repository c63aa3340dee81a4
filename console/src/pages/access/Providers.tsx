/** The tenant's identity providers: set, changed, tested and removed. A client's secret goes in here, and never comes out. */
import { Alert, Button, Card, Code, Group, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { providersQuery } from "../../api/access";
import { api, ApiError, data, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { filledIn, requestOf, type Written, writeGroups } from "../../lib/providers";
import type { Question } from "../../parts/Ask";
import { AskLater } from "../../parts/AskLater";
import { ProblemAlert } from "../../parts/Broken";
import { Deeds } from "../../parts/Deeds";
import { Time } from "../../parts/Time";
import { Facts } from "../../parts/Facts";
import { changedProvider, newProvider } from "./schemas";

export function Providers() {
  const session = useSession();
  const providers = useQuery(providersQuery);
  const [question, setQuestion] = useState<Question | null>(null);
  if (providers.isError) return <ProblemAlert error={providers.error} retry={() => void providers.refetch()} />;
  if (!providers.data) return null;
  const may = session.may.includes("provider.write");
  return (
    <Stack gap="sm">
      {may && (
        <Group>
          <Button size="xs" onClick={() => setQuestion(SET)}>
            Set a provider
          </Button>
        </Group>
      )}
      {providers.data.items.length === 0 && <Text c="dimmed">Nobody signs in by an identity provider yet.</Text>}
      {providers.data.items.map((one) => (
        <Provider key={one.name} one={one} ask={setQuestion} />
      ))}
      <AskLater question={question} onClose={() => setQuestion(null)} />
    </Stack>
  );
}

const RENEWS = "providers";
const wrong = (pointer: string, detail: string) => new ApiError(422, { title: "The provider cannot be set so", errors: [{ pointer, detail, kind: "missing", where: "body" }] });

async function put(name: string, value: unknown): Promise<unknown> {
  const written = (value ?? {}) as Written;
  if (written.no_secret === true && written.client_secret) throw wrong("/client_secret", "is given, and is to be taken away; leave one of both out");
  const body = requestOf(written);
  const without = body.groups.find((group) => group.roles.length === 0);
  if (without) throw wrong("/groups", `no role is named for “${without.display}”`); // in the words of this form, which the server does not know
  return data(api.PUT("/v1/identity-providers/{name}", { params: { path: { name } }, body }));
}

const SET: Question = {
  title: "Set a provider",
  says: "Its word is taken for who somebody is, and which roles their groups give. Test it afterwards.",
  verb: "Set it",
  schema: newProvider,
  renews: RENEWS,
  act: async (value) => {
    const { name } = (value ?? {}) as Written;
    if (!name) throw wrong("/name", "is missing");
    return put(String(name), value);
  },
};

const change = (one: Schemas["Provider"]): Question => ({
  title: `Change ${one.name}`,
  says: "What stands here then holds from the next sign-in on.",
  verb: "Change it",
  schema: changedProvider(one.has_secret),
  first: filledIn(one),
  renews: RENEWS,
  act: (value) => put(one.name, value),
});

const remove = (one: Schemas["Provider"]): Question => ({
  title: `Remove ${one.name}?`,
  says: "Its word is taken no longer. Who signed in by it is signed out; their accounts stay, without a way in.",
  verb: "Remove it",
  danger: true,
  renews: RENEWS,
  act: () => api.DELETE("/v1/identity-providers/{name}", { params: { path: { name: one.name } } }),
});

function Provider({ one, ask }: { one: Schemas["Provider"]; ask: (question: Question) => void }) {
  const session = useSession();
  const test = useMutation({
    mutationFn: () => data(api.POST("/v1/identity-providers/{name}:test", { params: { path: { name: one.name } } })),
  });
  const facts: [string, React.ReactNode][] = [
    ["Issuer", <Code key="issuer" className="mono">{one.issuer}</Code>],
    ["Client", <Code key="client" className="mono">{one.client_id}</Code>],
    ["Secret", one.has_secret ? "kept, and not shown" : "none"],
    ["Groups", <span key="groups" className="prose">{writeGroups(one.groups)}</span>],
    ["Set", <span key="set">by {one.set_by}, <Time at={one.set_at} ago /></span>],
    ["Sign in at", <Code key="at" className="mono">{`${location.origin}/console/sign-in?tenant=${session.tenant}&provider=${one.name}`}</Code>],
  ]; // prettier-ignore
  return (
    <Card withBorder>
      <Stack gap="sm">
        <Group justify="space-between">
          <Title order={2} size="h4">
            {one.name}
          </Title>
          {session.may.includes("provider.write") && (
            <Group gap="xs">
              <Button size="xs" variant="default" onClick={() => test.mutate()} loading={test.isPending} aria-label={`Test ${one.name}`}>
                Test
              </Button>
              <Deeds of={one.name} deeds={[{ label: "Change it", act: () => ask(change(one)) }, { label: "Remove it", danger: true, act: () => ask(remove(one)) }]} />
            </Group>
          )}
        </Group>
        <Facts facts={facts} />
        {test.isError && <ProblemAlert error={test.error} />}
        {test.isSuccess && (
          <Alert role="status" color="teal" title="It answers">
            It publishes {test.data.keys} {test.data.keys === 1 ? "key" : "keys"} for {one.algorithm}, and signs people in at {test.data.authorization_endpoint}.
          </Alert>
        )}
      </Stack>
    </Card>
  );
}
