/** The tenant's identity providers, and whether each answers. They are set by command line or API, since a secret belongs to it. */
import { Alert, Button, Card, Code, Group, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { providersQuery } from "../../api/access";
import { api, data, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { ProblemAlert } from "../../parts/Broken";
import { Time } from "../../parts/Time";
import { Facts } from "../../parts/Facts";

export function Providers() {
  const providers = useQuery(providersQuery);
  if (providers.isError) return <ProblemAlert error={providers.error} retry={() => void providers.refetch()} />;
  if (!providers.data) return null;
  return (
    <Stack gap="sm">
      {providers.data.items.length === 0 && (
        <Text c="dimmed">
          Nobody signs in by an identity provider yet. Set one with <Code>interlock provider set</Code>.
        </Text>
      )}
      {providers.data.items.map((one) => (
        <Provider key={one.name} one={one} />
      ))}
    </Stack>
  );
}

function Provider({ one }: { one: Schemas["Provider"] }) {
  const session = useSession();
  const test = useMutation({
    mutationFn: () => data(api.POST("/v1/identity-providers/{name}:test", { params: { path: { name: one.name } } })),
  });
  const facts: [string, React.ReactNode][] = [
    ["Issuer", <Code key="issuer" className="mono">{one.issuer}</Code>],
    ["Client", <Code key="client" className="mono">{one.client_id}</Code>],
    ["Groups", one.groups.map((group) => `${String(group.display)}: ${(group.roles as string[]).join(", ")}`).join("; ")],
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
            <Button size="xs" variant="default" onClick={() => test.mutate()} loading={test.isPending} aria-label={`Test ${one.name}`}>
              Test
            </Button>
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
