/** Break-glass: what somebody took for an emergency, why, and what another person says of it afterwards. */
import { Button, Group, Stack, Table, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { elevationsQuery } from "../../api/access";
import { api, data, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import type { Question } from "../../parts/Ask";
import { AskLater } from "../../parts/AskLater";
import { ProblemAlert } from "../../parts/Broken";
import { Deeds } from "../../parts/Deeds";
import { Rows } from "../../parts/Rows";
import { State } from "../../parts/State";
import { Time } from "../../parts/Time";
import { acknowledgement, newElevation } from "./schemas";
import { More } from "../../parts/More";

type Elevation = Schemas["Elevation"];
const RENEWS = "elevations";

const OPEN: Question = {
  title: "Break the glass",
  says: "You take what policies deny, for a short time. Everybody who may see the system sees it, each use is on record, and another person reviews it.",
  verb: "Break the glass",
  danger: true,
  schema: newElevation,
  renews: RENEWS,
  act: (body) => data(api.POST("/v1/elevations", { body: body as Schemas["ElevationRequest"] })),
};

export function Elevations() {
  const session = useSession();
  const found = useInfiniteQuery(elevationsQuery);
  const [question, setQuestion] = useState<Question | null>(null);
  const deeds = (one: Elevation) => {
    if (one.state === "open") return [{ label: "End it now", danger: true, act: () => setQuestion(endOf(one)) }];
    if (one.state === "to_review" && one.user_id !== session.user) return [{ label: "Say that you reviewed it", act: () => setQuestion(reviewOf(one)) }];
    return [];
  };
  return (
    <Stack gap="sm">
      {session.may.includes("elevation.open") && (
        <Group>
          <Button size="xs" color="red.9" onClick={() => setQuestion(OPEN)}>
            Break the glass
          </Button>
        </Group>
      )}
      {found.isError && <ProblemAlert error={found.error} retry={() => void found.refetch()} />}
      {found.isSuccess && (
        <Rows label="Elevations" minWidth={860} heads={["Who", "What for", "Opened", "Ends", "State", ""]} empty="Nobody has broken the glass.">
          {found.data.pages
            .flatMap((page) => page.items)
            .map((one) => (
              <Table.Tr key={one.id}>
                <Table.Td>{one.user_id}</Table.Td>
                <Table.Td maw={420}>
                  <Text size="sm">{one.reason}</Text>
                  <Text size="xs" c="dimmed">
                    {one.actions.join(", ")}
                  </Text>
                  {one.note && (
                    <Text size="xs">
                      {one.acknowledged_by}: {one.note}
                    </Text>
                  )}
                </Table.Td>
                <Table.Td>
                  <Time at={one.opened_at} ago />
                </Table.Td>
                <Table.Td>
                  <Time at={one.ended_at ?? one.ends_at} ago />
                </Table.Td>
                <Table.Td>
                  <State state={one.state} />
                </Table.Td>
                <Table.Td>
                  <Deeds of={`the elevation of ${one.user_id}`} deeds={deeds(one)} />
                </Table.Td>
              </Table.Tr>
            ))}
        </Rows>
      )}
      <More of={found} />
      <AskLater question={question} onClose={() => setQuestion(null)} />
    </Stack>
  );
}

export const endOf = (one: Elevation): Question => ({
  title: "End the elevation?",
  says: "From now on policies deny again what they denied. Another person then reviews it.",
  verb: "End it",
  danger: true,
  renews: RENEWS,
  act: () => data(api.POST("/v1/elevations/{elevation_id}:end", { params: { path: { elevation_id: one.id } } })),
});

const reviewOf = (one: Elevation): Question => ({
  title: `What ${one.user_id} did`,
  says: "Look at what was done with it first: the audit log names the elevation with each use. This closes it.",
  verb: "I reviewed it",
  schema: acknowledgement,
  renews: RENEWS,
  act: (body) =>
    data(api.POST("/v1/elevations/{elevation_id}:acknowledge", { params: { path: { elevation_id: one.id } }, body: body as Schemas["Acknowledgement"] })),
});
