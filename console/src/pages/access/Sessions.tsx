/** Open sessions of browsers: one's own, and everybody's where policy allows; any of them can be ended. */
import { Badge, SegmentedControl, Stack, Table } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { sessionsQuery } from "../../api/access";
import { api, type Schemas } from "../../api/client";
import { signOut, useSession } from "../../api/session";
import type { Question } from "../../parts/Ask";
import { AskLater } from "../../parts/AskLater";
import { ProblemAlert } from "../../parts/Broken";
import { Deeds } from "../../parts/Deeds";
import { Rows } from "../../parts/Rows";
import { Time } from "../../parts/Time";

const WAYS: Record<Schemas["Session"]["method"], string> = { key: "API key", password: "password", oidc: "identity provider" };

export function Sessions({ own = false }: { own?: boolean }) {
  const session = useSession();
  const mayAll = session.may.includes("session.list") && !own;
  const [all, setAll] = useState(false);
  const sessions = useQuery(sessionsQuery(all && mayAll));
  const [question, setQuestion] = useState<Question | null>(null);
  const end = (one: Schemas["Session"]): Question => ({
    title: one.id === session.id ? "Sign out here?" : `End this session of ${one.user}?`,
    says: one.id === session.id ? "This is the session of this page." : "Whoever uses it is led to the sign-in page. What they had not sent is not lost there.",
    verb: one.id === session.id ? "Sign out" : "End the session",
    danger: true,
    renews: "sessions",
    act: async () => {
      if (one.id !== session.id) return api.DELETE("/v1/sessions/{session_id}", { params: { path: { session_id: one.id } } });
      await signOut();
      location.assign("/console/sign-in");
    },
  });
  return (
    <Stack gap="sm">
      {mayAll && (
        <SegmentedControl
          size="xs"
          w="fit-content"
          value={all ? "all" : "own"}
          onChange={(value) => setAll(value === "all")}
          aria-label="Whose sessions"
          data={[{ value: "own", label: "Mine" }, { value: "all", label: "Everybody's" }]} // prettier-ignore
        />
      )}
      {sessions.isError && <ProblemAlert error={sessions.error} retry={() => void sessions.refetch()} />}
      {sessions.isSuccess && (
        <Rows label="Sessions" heads={["Person", "Signed in by", "Since", "Last used", "Ends", ""]}>
          {sessions.data.items.map((one) => (
            <Table.Tr key={one.id}>
              <Table.Td>
                {one.user}{" "}
                {one.id === session.id && (
                  <Badge variant="default" tt="none">
                    this one
                  </Badge>
                )}
              </Table.Td>
              <Table.Td>{WAYS[one.method]}</Table.Td>
              <Table.Td>
                <Time at={one.created_at} ago />
              </Table.Td>
              <Table.Td>
                <Time at={one.last_used_at} ago />
              </Table.Td>
              <Table.Td>
                <Time at={one.expires_at} ago />
              </Table.Td>
              <Table.Td>
                <Deeds of={`the session of ${one.user}`} deeds={[{ label: "End it", danger: true, act: () => setQuestion(end(one)) }]} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Rows>
      )}
      <AskLater question={question} onClose={() => setQuestion(null)} />
    </Stack>
  );
}
