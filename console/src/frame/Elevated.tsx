/** The loud banner: somebody has broken the glass. Whoever did uses it here by a switch, and ends it here. */
import { Alert, Button, Group, Stack, Switch, Text } from "@mantine/core";
import { IconUrgent } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { type Schemas, setElevation } from "../api/client";
import { sessionQuery, useSession } from "../api/session";
import { endOf } from "../pages/access/Elevations";
import type { Question } from "../parts/Ask";
import { AskLater } from "../parts/AskLater";
import { Countdown } from "../parts/Time";

export function Elevated({ items }: { items: Schemas["Elevation"][] }) {
  const session = useSession();
  const client = useQueryClient();
  const [used, setUsed] = useState<string | null>(null); // until a reload
  const [question, setQuestion] = useState<Question | null>(null);
  const own = items.find((one) => one.id === used);
  const over = own === undefined;
  useEffect(() => {
    if (!over) return;
    setElevation(null); // it has ended, wherever it was ended
    void client.invalidateQueries({ queryKey: sessionQuery.queryKey });
  }, [over, client]);
  useEffect(
    () => () => {
      setElevation(null);
      void client.invalidateQueries({ queryKey: sessionQuery.queryKey });
    },
    [client],
  );
  const use = (one: Schemas["Elevation"] | null) => {
    setUsed(one?.id ?? null);
    setElevation(one);
    void client.invalidateQueries();
  };
  return (
    <Stack gap="xs" mb="md">
      {items.map((one) => (
        <Alert key={one.id} role="status" color="red.9" variant="filled" className="elevated" icon={<IconUrgent aria-hidden />} title={one.user_id === session.user ? "You have broken the glass" : `${one.user_id} has broken the glass`}>
          <Group justify="space-between" gap="sm">
            <Text size="sm" c="inherit">
              {one.reason} ({one.actions.join(", ")}) · <Countdown until={one.ends_at} />
            </Text>
            {one.user_id === session.user && (
              <Group gap="md">
                <Switch label="Use it here" checked={used === one.id} onChange={(event) => use(event.currentTarget.checked ? one : null)} />
                <Button size="xs" variant="default" onClick={() => setQuestion(endOf(one))}>
                  End it
                </Button>
              </Group>
            )}
          </Group>
        </Alert>
      ))}
      <AskLater question={question} onClose={() => setQuestion(null)} />
    </Stack>
  );
}
