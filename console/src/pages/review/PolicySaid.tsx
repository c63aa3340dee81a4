/** What policy had said before a person was asked, and the text of each rule. */
import { Code, Group, Stack, Text } from "@mantine/core";
import type { Schemas } from "../../api/client";
import { PolicyText } from "../../parts/PolicyText";
import { State } from "../../parts/State";

export function PolicySaid({ rules }: { rules: Schemas["ReviewRules"] | undefined }) {
  if (!rules?.answer) return null;
  const decided = rules.rules.filter((rule) => rule.decided);
  const others = rules.rules.filter((rule) => !rule.decided);
  return (
    <div>
      <Group gap="xs" mb={4}>
        <Text size="sm" fw={600}>
          What policy said
        </Text>
        <State state={rules.answer} size="xs" />
        <Text size="xs" c="dimmed">
          to <Code>{rules.action}</Code>, version <Code>{rules.policy_version?.slice(0, 12)}</Code>
        </Text>
      </Group>
      <Stack gap={6}>
        {decided.map((rule) => (
          <Rule key={rule.id} rule={rule} />
        ))}
      </Stack>
      {others.length > 0 && (
        <details>
          <summary>{others.length} more rules did not apply</summary>
          <Stack gap={6} pt={6}>
            {others.map((rule) => (
              <Rule key={rule.id} rule={rule} />
            ))}
          </Stack>
        </details>
      )}
      {!rules.known && decided.length > 0 && (
        <Text size="xs" c="dimmed">
          The text of these rules is not shown here: it is of a version that is not deployed any more, or not for you to judge by.
        </Text>
      )}
    </div>
  );
}

function Rule({ rule }: { rule: Schemas["ReviewRule"] }) {
  return (
    <div>
      <Text size="sm">
        <Code>{rule.id}</Code> {rule.reason}
      </Text>
      <PolicyText id={rule.id} text={rule.text} />
    </div>
  );
}
