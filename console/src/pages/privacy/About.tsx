/** What is kept of one person, and their erasure: asked for by typing whom, since it cannot be undone. */
import { Alert, Button, Group, Stack, Table, Text, TextInput, Title } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { timelineQuery } from "../../api/queries";
import { useSession } from "../../api/session";
import { confirms, removedIn } from "../../lib/privacy";
import { ProblemAlert } from "../../parts/Broken";
import { Dialog } from "../../parts/Dialog";
import { AnchorLink } from "../../parts/Link";
import { Loading } from "../../parts/Loading";
import { State } from "../../parts/State";
import { Time } from "../../parts/Time";
import { Rows } from "../../parts/Rows";
import { ErasureTable } from "./ErasureTable";

export function About({ subject }: { subject: string }) {
  const session = useSession();
  const about = useQuery({
    queryKey: ["privacy", "subject", subject],
    queryFn: () => data(api.GET("/v1/privacy/subjects/{subject}", { params: { path: { subject } } })),
  });
  if (about.isError) return <ProblemAlert error={about.error} retry={() => void about.refetch()} />;
  if (!about.data) return <Loading what="What is kept" height={320} />;
  const { tasks, documents, accounts, sessions, views, erasures, complete } = about.data;
  const nothing = tasks.length + documents.length + accounts.length + sessions.length + views.length === 0;
  return (
    <Stack gap="lg">
      <Group justify="space-between">
        <Title order={2} size="h4" className="mono">
          {subject}
        </Title>
        <Group gap="sm">
          {session.may.includes("audit.read") && (
            <AnchorLink to="/audit" search={{ person: subject }} size="sm">
              In the audit log
            </AnchorLink>
          )}
          {session.may.includes("privacy.erase") && !nothing && <Erase subject={subject} />}
        </Group>
      </Group>
      {nothing && <Text c="dimmed">Nothing is kept of such a person.</Text>}
      {!complete && <Text className="warn">There is more than is shown here: the newest of each kind are listed.</Text>}
      {erasures.length > 0 && <ErasureTable items={erasures} />}
      <Part title="Tasks about them" rows={tasks.length} columns={["Task", "State", "Accepted", "Content", "Removed before it left"]}>
        {tasks.map((one) => (
          <Table.Tr key={one.id}>
            <Table.Td>
              <AnchorLink to="/tasks/$taskId" params={{ taskId: one.id }} size="sm">
                {one.automation} {one.id.slice(-8)}
              </AnchorLink>
            </Table.Td>
            <Table.Td><State state={one.state} /></Table.Td>
            <Table.Td><Time at={one.accepted_at} ago /></Table.Td>
            <Table.Td>{one.erased_at ? <>erased <Time at={one.erased_at} ago /></> : "kept"}</Table.Td>
            <Table.Td><RemovedOf taskId={one.id} /></Table.Td>
          </Table.Tr>
        ))}
      </Part>
      <Part title="Documents" rows={documents.length} columns={["File", "Type", "Stored", "Content"]}>
        {documents.map((one) => (
          <Table.Tr key={one.id}>
            <Table.Td className="mono">{one.filename || one.id}</Table.Td>
            <Table.Td>{one.media_type}, {Math.ceil(one.size_bytes / 1024)} kB</Table.Td>
            <Table.Td><Time at={one.created_at} ago /></Table.Td>
            <Table.Td>{one.erased_at ? <>erased <Time at={one.erased_at} ago /></> : "kept"}</Table.Td>
          </Table.Tr>
        ))}
      </Part>
      <Part title="Accounts" rows={accounts.length} columns={["Account", "Name", "Roles", "Made"]}>
        {accounts.map((one) => (
          <Table.Tr key={one.id}>
            <Table.Td className="mono">{one.id}</Table.Td>
            <Table.Td>{one.name}</Table.Td>
            <Table.Td>{one.roles.join(", ")}{one.disabled_at && ", disabled"}</Table.Td>
            <Table.Td><Time at={one.created_at} ago /></Table.Td>
          </Table.Tr>
        ))}
      </Part>
      <Part title="Views" rows={views.length} columns={["View", "Page", "Filters", "Changed"]}>
        {views.map((one) => (
          <Table.Tr key={one.id}>
            <Table.Td>{one.name}{one.shared && ", shared"}</Table.Td>
            <Table.Td>{one.page}</Table.Td>
            <Table.Td className="mono">{Object.entries(one.filters).map(([name, value]) => `${name}=${value}`).join(" ")}</Table.Td>
            <Table.Td><Time at={one.changed_at} ago /></Table.Td>
          </Table.Tr>
        ))}
      </Part>
      <Part title="Sessions" rows={sessions.length} columns={["Signed in by", "Begun", "Last used", "Over"]}>
        {sessions.map((one) => (
          <Table.Tr key={one.id}>
            <Table.Td>{one.method}</Table.Td>
            <Table.Td><Time at={one.created_at} ago /></Table.Td>
            <Table.Td><Time at={one.last_used_at} ago /></Table.Td>
            <Table.Td><Time at={one.ended_at ?? one.expires_at} ago /></Table.Td>
          </Table.Tr>
        ))}
      </Part>
    </Stack>
  ); // prettier-ignore
}

function Part({ title, rows, columns, children }: { title: string; rows: number; columns: string[]; children: React.ReactNode[] }) {
  if (rows === 0) return null;
  return (
    <Stack gap={4}>
      <Title order={3} size="h5">
        {title} ({rows})
      </Title>
      <Rows label={title} minWidth={600} heads={columns}>
        {children}
      </Rows>
    </Stack>
  );
}

/** What was removed of a task's data before it left, read when somebody asks. */
function RemovedOf({ taskId }: { taskId: string }) {
  const [open, setOpen] = useState(false);
  const timeline = useQuery({ ...timelineQuery(taskId), enabled: open });
  if (!open) {
    return (
      <Button size="compact-xs" variant="default" onClick={() => setOpen(true)} aria-label={`Show what was removed in ${taskId}`}>
        Show
      </Button>
    );
  }
  if (timeline.isError) return <Text size="xs" className="bad">{timeline.error.message}</Text>; // prettier-ignore
  if (!timeline.data) return <Text size="xs">…</Text>;
  const removed = removedIn(timeline.data.effects);
  if (removed.length === 0) return <Text size="xs">nothing</Text>;
  return (
    <ul className="removed">
      {removed.map((one) => (
        <li key={`${one.effect} ${one.type} ${one.where}`}>
          {one.count} × {one.type} in <span className="mono">{one.effect}</span>: {one.where}
        </li>
      ))}
    </ul>
  );
}

function Erase({ subject }: { subject: string }) {
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState("");
  const erase = useMutation({
    mutationFn: (): Promise<Schemas["Erasure"]> => data(api.POST("/v1/privacy/erasures", { body: { subject } })),
    onSuccess: () => {
      setOpen(false);
      void client.invalidateQueries({ queryKey: ["privacy"] });
    },
  });
  return (
    <>
      <Button color="red" variant="light" size="xs" onClick={() => setOpen(true)}>
        Erase
      </Button>
      <Dialog opened={open} onClose={() => setOpen(false)} title={`Erase ${subject}`}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (confirms(typed, subject)) erase.mutate();
          }}
        >
          <Stack gap="sm">
            <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title="It cannot be undone">
              The content of their tasks, their documents, their account's name and their sessions are erased, once their open tasks have ended. The audit log holds no personal data and goes on holding.
            </Alert>
            <TextInput label={`Type ${subject} to confirm`} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} data-autofocus autoComplete="off" />
            {erase.isError && <ProblemAlert error={erase.error} />}
            <Button type="submit" color="red.9" disabled={!confirms(typed, subject)} loading={erase.isPending}>
              Erase for good
            </Button>
          </Stack>
        </form>
      </Dialog>
    </>
  );
}
