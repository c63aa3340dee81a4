/** Sign in: an API key is exchanged for a session of the server, a user's name and password are, or an identity provider says who it is. */
import { Button, Card, Center, Code, PasswordInput, SegmentedControl, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { useState } from "react";
import { sessionQuery, signInByProvider, signInWithKey, signInWithPassword } from "../api/session";
import { ProblemAlert } from "../parts/Broken";

const route = getRouteApi("/sign-in");

export function SignIn() {
  const { next, ...given } = route.useSearch(); // a link may name tenant and provider; the page itself knows of none
  const router = useRouter();
  const client = useQueryClient();
  const [by, setBy] = useState<"key" | "password" | "provider">(given.provider ? "provider" : "key");
  const [key, setKey] = useState("");
  const [tenant, setTenant] = useState(given.tenant ?? "default");
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [provider, setProvider] = useState(given.provider ?? "");
  const path = next?.startsWith("/") && !next.startsWith("//") ? `/console${next}` : "/console/";
  const signIn = useMutation({
    mutationFn: async () => {
      if (by === "provider") return signInByProvider(tenant.trim(), provider.trim(), path); // the page is left
      const session = await (by === "key" ? signInWithKey(key.trim()) : signInWithPassword(tenant.trim(), user.trim(), password));
      client.setQueryData(sessionQuery.queryKey, session);
      router.history.replace(path); // the way back leads to where one came from, and not here
    },
  });
  return (
    <Center mih="100dvh" p="md" component="main">
      <Card withBorder padding="xl" w="100%" maw={420}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            signIn.mutate();
          }}
        >
          <Stack>
            <Title order={1} size="h2">
              Sign in to Interlock
            </Title>
            <SegmentedControl
              value={by}
              onChange={(value) => setBy(value as typeof by)}
              data={[
                { value: "key", label: "API key" },
                { value: "password", label: "Password" },
                { value: "provider", label: "Provider" },
              ]}
              aria-label="How to sign in"
            />
            {by === "key" && (
              <>
                <PasswordInput label="API key" required value={key} onChange={(e) => setKey(e.currentTarget.value)} autoComplete="off" autoFocus placeholder="il_…" />
                <Text size="sm" c="dimmed">
                  On this machine, <Code>interlock status</Code> shows where the first key lies. It is exchanged for a session and not kept.
                </Text>
              </>
            )}
            {by === "password" && (
              <>
                <TextInput label="User" required value={user} onChange={(e) => setUser(e.currentTarget.value)} autoComplete="username" autoFocus placeholder="mei" />
                <PasswordInput label="Password" required value={password} onChange={(e) => setPassword(e.currentTarget.value)} autoComplete="current-password" />
              </>
            )}
            {by === "provider" && (
              <TextInput label="Identity provider" required value={provider} onChange={(e) => setProvider(e.currentTarget.value)} autoFocus description="As your administrator calls it here, such as entra or google." />
            )}
            {by !== "key" && (
              <TextInput label="Tenant" required value={tenant} onChange={(e) => setTenant(e.currentTarget.value)} autoComplete="organization" />
            )}
            {signIn.isError && <ProblemAlert error={signIn.error} />}
            <Button type="submit" loading={signIn.isPending}>
              {by === "provider" ? "Go to the provider" : "Sign in"}
            </Button>
          </Stack>
        </form>
      </Card>
    </Center>
  );
}
