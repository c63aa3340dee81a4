/** Try an automation: a form out of its input's schema, and the task that comes of it. */
import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { useSessionStorage } from "@mantine/hooks";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";
import { api, ApiError, data, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { formOf, leaves, placed, type Typed, valueOf } from "../../lib/form";
import { ProblemAlert } from "../../parts/Broken";
import { FormFields } from "../../parts/FormFields";

export function TryIt({ automation }: { automation: Schemas["Automation"] }) {
  const navigate = useNavigate();
  const form = useMemo(() => formOf(automation.input_schema), [automation.input_schema]);
  const session = useSession();
  const secret = leaves(form).filter((node) => node.kind === "password").map((node) => node.pointer);
  // What is begun outlives a look at another tab, a reload and the session's end, in this tab of the browser; secrets do not.
  const [typed, setTyped, forget] = useSessionStorage<Record<string, Typed>>({
    key: `interlock.try.${session.tenant}.${session.user}.${automation.name}`,
    defaultValue: {},
    getInitialValueInEffect: false,
    serialize: (all) => JSON.stringify(Object.fromEntries(Object.entries(all).filter(([pointer]) => !secret.includes(pointer)))),
  });
  const [busy, setBusy] = useState(0); // files on their way
  const shown = useRef<HTMLFormElement>(null);
  const sent = useRef({ body: "", key: "" });
  const submit = useMutation({
    mutationFn: () => {
      const body = { automation: automation.name, input: valueOf(form, typed) };
      const text = JSON.stringify(body);
      // The same input sent again, as after an answer that never came, is the same task.
      if (sent.current.body !== text) sent.current = { body: text, key: crypto.randomUUID() };
      return data(api.POST("/v1/tasks", { body: body as Schemas["TaskSubmission"], params: { header: { "idempotency-key": sent.current.key } } }));
    },
    onSuccess: (task) => {
      forget();
      void navigate({ to: "/tasks/$taskId", params: { taskId: task.id } });
    },
  });
  const problem = submit.error instanceof ApiError ? submit.error : null;
  const { at, rest } = placed(form, problem?.problem.errors ?? []);
  const named = Object.keys(at).length;
  useEffect(() => {
    if (submit.isError) shown.current?.querySelector<HTMLElement>('[aria-invalid="true"], [data-wrong="true"] button')?.focus();
  }, [submit.isError, submit.submittedAt]);
  return (
    <form
      ref={shown}
      noValidate // the server says what is wrong, in words that fit
      onSubmit={(event) => {
        event.preventDefault();
        submit.mutate();
      }}
    >
      <Stack gap="md" maw={680}>
        <Text size="sm" c="dimmed">
          This hands in a real task. Policies decide about it as about any other.
        </Text>
        <FormFields
          node={form}
          typed={typed}
          wrong={at}
          onType={(pointer, value) => setTyped((before) => ({ ...before, [pointer]: value }))}
          onBusy={(by) => setBusy((count) => count + by)}
        />
        {submit.isError && (named === 0 || rest.length > 0) && <ProblemAlert error={submit.error} />}
        {submit.isError && named > 0 && (
          <Alert role="alert" color="red" title={named === 1 ? "One field is not right" : `${named} fields are not right`}>
            Each says what is wrong with it.
          </Alert>
        )}
        <Group>
          <Button type="submit" loading={submit.isPending} disabled={busy > 0}>
            {busy > 0 ? "The file is on its way" : "Hand in"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
