/** Who one is here: roles, keys, sessions, password, and how the console looks and listens. */
import { Badge, Button, Group, SegmentedControl, Stack, Switch, Text, Title, useMantineColorScheme } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useEffect, useState } from "react";
import { api, data, type Schemas } from "../api/client";
import { useSession } from "../api/session";
import { useKeysOn } from "../frame/Keys";
import type { Question } from "../parts/Ask";
import { AskLater } from "../parts/AskLater";
import { Keys } from "./access/Keys";
import { Sessions } from "./access/Sessions";
import { ownPassword } from "./access/schemas";

export function Profile() {
  const session = useSession();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [keysOn, setKeysOn] = useKeysOn();
  const [question, setQuestion] = useState<Question | null>(null);
  useEffect(() => {
    document.title = "Profile · Interlock";
  }, []);
  const password: Question = {
    title: "Change your password",
    says: "Your other sessions end.",
    verb: "Change it",
    schema: ownPassword,
    renews: "sessions",
    act: async (body) => {
      await data(api.POST("/v1/users/{user_id}:password", { params: { path: { user_id: session.user } }, body: body as Schemas["PasswordRequest"] }));
      notifications.show({ color: "teal", title: "Your password is changed", message: "Your other sessions have ended." });
    },
  };
  return (
    <Stack gap="lg" maw={1100}>
      <Stack gap={4}>
        <Title order={1} size="h2">
          {session.user}
        </Title>
        <Group gap="xs">
          {session.roles.map((role) => (
            <Badge key={role} variant="default" tt="none">
              {role}
            </Badge>
          ))}
          <Text size="sm" c="dimmed">
            in {session.tenant} · approves {session.approval_limit === null ? "without a limit" : `up to ${session.approval_limit}`}
          </Text>
        </Group>
      </Stack>
      {session.method === "password" && (
        <Group>
          <Button size="xs" variant="default" onClick={() => setQuestion(password)}>
            Change your password
          </Button>
        </Group>
      )}
      <Stack gap="sm">
        <Title order={2} size="h4">
          How the console is
        </Title>
        <Switch
          checked={keysOn}
          onChange={(event) => setKeysOn(event.currentTarget.checked)}
          label="Single letters are keys"
          description="a approves, j goes on, and so on; off for whoever dictates or types by accident. Ctrl K stays."
        />
        <SegmentedControl
          w="fit-content"
          size="xs"
          aria-label="Light or dark"
          value={colorScheme}
          onChange={(value) => setColorScheme(value as typeof colorScheme)}
          data={[{ value: "light", label: "Light" }, { value: "dark", label: "Dark" }, { value: "auto", label: "As the system" }]} // prettier-ignore
        />
      </Stack>
      <Stack gap="sm">
        <Title order={2} size="h4">
          Your sessions
        </Title>
        <Sessions own />
      </Stack>
      <Stack gap="sm">
        <Title order={2} size="h4">
          Your keys
        </Title>
        <Keys own />
      </Stack>
      <AskLater question={question} onClose={() => setQuestion(null)} />
    </Stack>
  );
}
