/** Dialogs that act: one asks whether one is sure, the other asks for what is needed. What is refused says by which policy. */
import { Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { ApiError } from "../api/client";
import { formOf, leaves, placed, type Typed, valueOf } from "../lib/form";
import { ProblemAlert } from "./Broken";
import { Dialog } from "./Dialog";
import { FormFields } from "./FormFields";

export interface Question {
  title: string;
  says: string;
  verb: string;
  danger?: boolean;
  schema?: object; // of what is asked for; without one, only whether one is sure
  first?: Record<string, Typed>;
  renews: string; // the key of the queries that are read anew
  act: (value: unknown) => Promise<unknown>;
}

/** Show the question, if there is one, until it is done or given up. */
export function Ask({ question, onClose }: { question: Question | null; onClose: () => void }) {
  return (
    <Dialog opened={question !== null} onClose={onClose} title={question?.title ?? ""}>
      {question && <Inside question={question} onClose={onClose} />}
    </Dialog>
  );
}

function Inside({ question, onClose }: { question: Question; onClose: () => void }) {
  const client = useQueryClient();
  const form = useMemo(() => formOf(question.schema ?? { type: "object", properties: {} }, ""), [question.schema]);
  const [typed, setTyped] = useState<Record<string, Typed>>(question.first ?? {});
  const act = useMutation({
    mutationFn: () => question.act(valueOf(form, typed)),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: [question.renews] });
      onClose();
    },
  });
  const problem = act.error instanceof ApiError ? act.error.problem : {};
  const { at, rest } = placed(form, problem.errors ?? []);
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        act.mutate();
      }}
    >
      <Stack>
        <Text size="sm">{question.says}</Text>
        {question.schema && (
          <FormFields node={form} first={leaves(form)[0]?.pointer} typed={typed} wrong={at} onBusy={() => undefined} onType={(pointer, value) => setTyped((before) => ({ ...before, [pointer]: value }))} />
        )}
        {act.isError && Object.keys(at).length > 0 && rest.length === 0 && problem.fix && <Text size="sm">{problem.fix}</Text>}
        {act.isError && (Object.keys(at).length === 0 || rest.length > 0) && <ProblemAlert error={act.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Leave it
          </Button>
          <Button type="submit" color={question.danger ? "red.9" : undefined} loading={act.isPending} data-autofocus={question.schema ? undefined : true}>
            {question.verb}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
