/** What is shown where something went wrong: what it was, which policy, and what to do. */
import { Alert, Button, Code, Group, List, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconLock } from "@tabler/icons-react";
import { ApiError } from "../api/client";
import { AnchorLink } from "./Link";

export function ProblemAlert({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const problem = error instanceof ApiError ? error.problem : {};
  const refused = error instanceof ApiError && error.status === 403;
  // Of a refusal the message is the policies' own words; of another problem it says what the refusal was of.
  const told = refused && error.policies.length > 0 && error.policies.every((reason) => error.message.includes(reason.text));
  const title = problem.title ?? "Something went wrong";
  return (
    <Alert
      role="alert"
      color={refused ? "yellow" : "red"}
      title={title}
      icon={refused ? <IconLock aria-hidden /> : <IconAlertTriangle aria-hidden />}
    >
      <Stack gap="xs">
        {!told && <Text size="sm">{error instanceof Error ? error.message : String(error)}</Text>}
        {error instanceof ApiError && error.policies.length > 0 && (
          <List size="sm">
            {error.policies.map((reason) => (
              <List.Item key={reason.policy}>
                Policy <Code>{reason.policy}</Code>: {reason.text}
              </List.Item>
            ))}
          </List>
        )}
        {problem.fix && <Text size="sm">{problem.fix}</Text>}
        {(problem.errors ?? []).map((field) => (
          <Text key={field.pointer} size="sm">
            <Code>{field.pointer}</Code> {field.detail}
          </Text>
        ))}
        <Group gap="md">
          {retry && (
            <Button size="xs" variant="default" onClick={retry}>
              Try again
            </Button>
          )}
          {problem.correlation_id && (
            <Text size="xs" c="dimmed">
              Correlation <Code>{problem.correlation_id}</Code>
            </Text>
          )}
        </Group>
      </Stack>
    </Alert>
  );
}

/** A page that cannot be shown: what it would be, and what is wrong. */
export function ProblemPage({ title, error, retry }: { title: string; error: unknown; retry?: () => void }) {
  return (
    <Stack gap="md">
      <Title order={1} size="h2">
        {title}
      </Title>
      <ProblemAlert error={error} retry={retry} />
    </Stack>
  );
}

export function Broken({ error, reset }: { error: unknown; reset: () => void }) {
  return (
    <Stack p="xl" maw={640}>
      <ProblemAlert error={error} retry={reset} />
    </Stack>
  );
}

export function NotFound() {
  return (
    <Stack maw={640}>
      <Title order={1} size="h2">There is no such page</Title>
      <Text>The address may be cut short, or the page has another one now.</Text>
      <AnchorLink to="/">To the home page</AnchorLink>
    </Stack>
  );
}
