/** Every policy that decides now: what it does, why, and what it tells people. */
import { Alert, Badge, Code, Group, Stack, Text, TextInput } from "@mantine/core";
import { IconAlertTriangle, IconBan, IconCheck, IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { PolicyText } from "../../parts/PolicyText";

export function InForce({ state }: { state: Schemas["PolicyState"] }) {
  const session = useSession();
  const [find, setFind] = useState("");
  const words = find.toLowerCase().split(/\s+/).filter(Boolean);
  const found = state.policies.filter((one) => {
    const said = `${one.id} ${one.effect} ${one.reason} ${one.advice ?? ""} ${one.file} ${one.text}`.toLowerCase();
    return words.every((word) => said.includes(word));
  });
  return (
    <Stack gap="md">
      {state.problem && (
        <Alert role="alert" color="red" variant="filled" icon={<IconAlertTriangle aria-hidden />} title="The set in force does not fit what is deployed" styles={{ title: { color: "white" } }}>
          {state.problem} Until it is replaced or rolled back, nothing but policies is decided on, and that by the shipped ones.
        </Alert>
      )}
      <Stack gap={4} fz="sm">
        <Text size="sm">
          {state.active === 0 ? "Only what is shipped and what automations bring decides here." : `Set ${state.active} of ${session.tenant} is in force, over what is shipped and what automations bring.`}
          {state.shadow > 0 && ` Set ${state.shadow} looks on.`}
        </Text>
        <Version name="everything that decides about routes" version={state.version} />
        {Object.entries(state.automations).map(([name, version]) => (
          <Version key={name} name={name} version={version} />
        ))}
      </Stack>
      <TextInput aria-label="Find policies" placeholder="Words of a policy" leftSection={<IconSearch size={16} aria-hidden />} value={find} onChange={(event) => setFind(event.currentTarget.value)} maw={420} />
      <Text size="sm" c="dimmed" role="status">
        {found.length} of {state.policies.length} policies
      </Text>
      <Stack gap={0} component="ul" p={0} m={0} className="plain-list">
        {found.map((one) => (
          <li key={one.id}>
            <Group gap="xs">
              <Effect effect={one.effect} />
              <Code>{one.id}</Code>
              <Text size="xs" c="dimmed">
                {one.file}
              </Text>
            </Group>
            <Text size="sm">{one.reason}</Text>
            {one.advice && (
              <Text size="sm" c="dimmed">
                {one.advice}
              </Text>
            )}
            {one.obligations.length > 0 && (
              <Text size="sm" c="dimmed">
                Then: {one.obligations.join(", ")}
              </Text>
            )}
            <PolicyText id={one.id} text={one.text} />
          </li>
        ))}
      </Stack>
    </Stack>
  );
}

function Effect({ effect }: { effect: string }) {
  const permits = effect === "permit";
  const Icon = permits ? IconCheck : IconBan;
  return (
    <Badge size="sm" variant="light" color={permits ? "teal" : "red"} tt="none" leftSection={<Icon size={12} aria-hidden />}>
      {effect}
    </Badge>
  );
}

function Version({ name, version }: { name: string; version: string }) {
  return (
    <Text size="sm" c="dimmed">
      {name}: version <span className="mono">{version.slice(0, 16)}…</span>
    </Text>
  );
}
