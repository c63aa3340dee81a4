/** Rights to answer reviews that people lend each other until a stated end. */
import { Button, Group, SegmentedControl, Stack, Table } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { delegationsQuery } from "../../api/access";
import { api, data, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import type { Question } from "../../parts/Ask";
import { AskLater } from "../../parts/AskLater";
import { ProblemAlert } from "../../parts/Broken";
import { Deeds } from "../../parts/Deeds";
import { Rows } from "../../parts/Rows";
import { State } from "../../parts/State";
import { Time } from "../../parts/Time";
import { newDelegation } from "./schemas";
import { More } from "../../parts/More";

const GIVE: Question = {
  title: "Lend your rights",
  says: "Somebody else answers reviews on your behalf until then, with your roles and your limit, and nothing else. Answers say so.",
  verb: "Lend them",
  schema: newDelegation,
  renews: "delegations",
  act: (body) => data(api.POST("/v1/delegations", { body: body as Schemas["DelegationRequest"] })),
};

export function Delegations() {
  const session = useSession();
  const mayAll = session.may.includes("delegation.list");
  const [all, setAll] = useState(false);
  const found = useInfiniteQuery(delegationsQuery(all && mayAll));
  const [question, setQuestion] = useState<Question | null>(null);
  const revoke = (one: Schemas["Delegation"]): Question => ({
    title: "Take it back?",
    says: `${one.to_user} no longer answers on behalf of ${one.from_user}. What was answered stays.`,
    verb: "Take it back",
    danger: true,
    renews: "delegations",
    act: () => data(api.POST("/v1/delegations/{delegation_id}:revoke", { params: { path: { delegation_id: one.id } } })),
  });
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        {mayAll ? (
          <SegmentedControl
            size="xs"
            value={all ? "all" : "own"}
            onChange={(value) => setAll(value === "all")}
            aria-label="Whose delegations"
            data={[{ value: "own", label: "Mine" }, { value: "all", label: "Everybody's" }]} // prettier-ignore
          />
        ) : (
          <span />
        )}
        {session.may.includes("delegation.give") && (
          <Button size="xs" onClick={() => setQuestion(GIVE)}>
            Lend your rights
          </Button>
        )}
      </Group>
      {found.isError && <ProblemAlert error={found.error} retry={() => void found.refetch()} />}
      {found.isSuccess && (
        <Rows label="Delegations" heads={["From", "To", "Roles", "Limit", "Until", "State", ""]} empty="Nobody has lent anything. Do so before you are away.">
          {found.data.pages
            .flatMap((page) => page.items)
            .map((one) => (
              <Table.Tr key={one.id}>
                <Table.Td>{one.from_user}</Table.Td>
                <Table.Td>{one.to_user}</Table.Td>
                <Table.Td>{one.roles.join(", ")}</Table.Td>
                <Table.Td>{one.approval_limit ?? "none"}</Table.Td>
                <Table.Td>
                  <Time at={one.ends_at} ago />
                </Table.Td>
                <Table.Td>
                  <State state={one.state} />
                </Table.Td>
                <Table.Td>
                  <Deeds of={`what ${one.from_user} lent ${one.to_user}`} deeds={one.state === "open" ? [{ label: "Take it back", danger: true, act: () => setQuestion(revoke(one)) }] : []} />
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
