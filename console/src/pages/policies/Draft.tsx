/** A new set: written, checked, held against what was decided, and only then proposed. */
import { Alert, Button, Checkbox, Group, Select, Stack, Table, Text, Textarea } from "@mantine/core";
import { useSessionStorage } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, data } from "../../api/client";
import { policiesQuery, policySetQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import { type Files, sameFiles, STARTER, withCopy } from "../../lib/policies";
import { ProblemAlert } from "../../parts/Broken";
import { Loading } from "../../parts/Loading";
import { State } from "../../parts/State";
import { Wide } from "../../parts/Wide";
import { Editor } from "./Editor";
import { Impact } from "./Impact";

export function Draft({ active }: { active: number }) {
  const current = useQuery({ ...policySetQuery(active), enabled: active > 0 });
  if (current.isError) return <ProblemAlert error={current.error} retry={() => void current.refetch()} />;
  if (active > 0 && !current.data) return <Loading what="The set in force" height={320} />;
  return <Loaded key={active} active={active} start={current.data?.files ?? STARTER} />;
}

function Loaded({ active, start }: { active: number; start: Files }) {
  const client = useQueryClient();
  const session = useSession();
  const [files, setFiles] = useSessionStorage<Files>({ key: `interlock.policies.${session.tenant}.${active}`, defaultValue: start, getInitialValueInEffect: false });
  const state = useQuery(policiesQuery);
  const [note, setNote] = useState("");
  const [shadow, setShadow] = useState(false);
  const check = useMutation({ mutationFn: (given: Files) => data(api.POST("/v1/policies/check", { body: { files: given } })) });
  const diff = useMutation({ mutationFn: (given: Files) => data(api.POST("/v1/policies/diff", { params: { query: { prove: true } }, body: { files: given } })) });
  const propose = useMutation({
    mutationFn: () => data(api.POST("/v1/policies/changes", { body: { files, note, shadow } })),
    onSuccess: (change) => {
      const done = change.state === "done"; // where nobody else is there to ask
      notifications.show({
        color: "teal",
        title: done ? "In force" : "Proposed",
        message: done ? `Set ${change.set_number} decides now.` : `Set ${change.set_number} waits for another person's approval.`,
      });
      void client.invalidateQueries({ queryKey: ["policies"] });
    },
  });
  const checked = check.data && sameFiles(check.variables, files) ? check.data : null;
  const impact = diff.data && sameFiles(diff.variables, files) ? diff.data : null; // of these very files
  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed">
        {active > 0 ? `This starts from set ${active}, which is in force.` : "There is no set of your own in force: this starts from an example."} A set adds to what is shipped; it may forbid more and permit more, but never take a shipped rule away.
      </Text>
      <Editor files={files} onChange={setFiles} />
      <Group gap="xs">
        <Button size="xs" variant="default" onClick={() => check.mutate(files)} loading={check.isPending}>
          Check
        </Button>
        <Button size="xs" onClick={() => diff.mutate(files)} loading={diff.isPending}>
          What would it change?
        </Button>
        <Select
          size="xs"
          w={260}
          searchable
          aria-label="Copy a policy that is in force into the set"
          placeholder="Copy a policy in force"
          value={null}
          data={(state.data?.policies ?? []).map((one) => one.id)}
          onChange={(id) => {
            const policy = state.data?.policies.find((one) => one.id === id);
            if (policy) setFiles(withCopy(files, policy));
          }}
        />
        <Button size="xs" variant="subtle" color="gray" onClick={() => setFiles(start)} disabled={sameFiles(files, start)}>
          Start over
        </Button>
      </Group>
      {check.isError && <ProblemAlert error={check.error} />}
      {checked && <Cases checked={checked} />}
      {diff.isError && <ProblemAlert error={diff.error} />}
      {impact && <Impact impact={impact} />}
      {session.may.includes("policy.propose") && (
        <Stack gap="xs" maw={640}>
          <Textarea label="Why" description="For whoever decides on it" value={note} onChange={(event) => setNote(event.currentTarget.value)} maxLength={2000} autosize minRows={2} />
          <Checkbox label="Only look on: what it would answer otherwise is counted, nothing else" checked={shadow} onChange={(event) => setShadow(event.currentTarget.checked)} />
          {propose.isError && <ProblemAlert error={propose.error} />}
          <Group gap="sm">
            <Button size="xs" onClick={() => propose.mutate()} loading={propose.isPending} disabled={!impact}>
              {shadow ? "Propose to look on" : "Propose"}
            </Button>
            {!impact && (
              <Text size="sm" c="dimmed">
                First see what it would change.
              </Text>
            )}
          </Group>
        </Stack>
      )}
    </Stack>
  );
}

function Cases({ checked }: { checked: { version: string; cases: { name: string; passed: boolean; wanted: string; got: string; detail: string }[] } }) {
  const failed = checked.cases.filter((one) => !one.passed).length;
  return (
    <Stack gap="xs">
      <Alert role="status" color={failed ? "red" : "teal"} title={failed ? `Of ${checked.cases.length} cases, ${failed} fail` : `It compiles, and its cases hold: ${checked.cases.length}`} />
      <Wide label="How the cases went">
        <Table aria-label="Cases" miw={420}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Case</Table.Th>
              <Table.Th>Wanted</Table.Th>
              <Table.Th>Got</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {checked.cases.map((one) => (
              <Table.Tr key={one.name}>
                <Table.Td>
                  {one.name}
                  {!one.passed && <Text size="xs" className="bad">{one.detail}</Text>}
                </Table.Td>
                <Table.Td><State state={one.wanted} /></Table.Td>
                <Table.Td><State state={one.got} /></Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
    </Stack>
  ); // prettier-ignore
}
