/** The steps of a version's life that its state allows; each asks why, and a refusal says which policy refused. */
import { Button, Stack, Text, Textarea } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { stepsOf, type Verb } from "../../lib/models";
import { ProblemAlert } from "../../parts/Broken";
import { Dialog } from "../../parts/Dialog";

const WORDS: Record<Verb, { does: string; done: string; says: string }> = {
  approve: { does: "Approve", done: "Approved", says: "Who registered or evaluated it may not." },
  release: { does: "Release", done: "Released", says: "Its statement is signed, and it may serve within a second." },
  reject: { does: "Turn down", done: "Turned down", says: "It can be registered again." },
  retire: { does: "Retire", done: "Retired", says: "It serves no more, everywhere within a second." },
  rollback: { does: "Roll back", done: "Rolled back", says: "It is retired, and the version that was released before it is released again." },
};

export function Steps({ version }: { version: Schemas["ModelVersionView"] }) {
  const client = useQueryClient();
  const session = useSession();
  const [verb, setVerb] = useState<Verb | null>(null);
  const [note, setNote] = useState("");
  const act = useMutation({
    mutationFn: (step: Verb): Promise<Schemas["ModelVersionSummary"]> => {
      const params = { path: { number: version.number } };
      if (step === "approve") return data(api.POST("/v1/models/versions/{number}:approve", { params, body: { note } }));
      if (step === "release") return data(api.POST("/v1/models/versions/{number}:release", { params, body: { note } }));
      if (step === "reject") return data(api.POST("/v1/models/versions/{number}:reject", { params, body: { reason: note } }));
      if (step === "retire") return data(api.POST("/v1/models/versions/{number}:retire", { params, body: { note } }));
      return data(api.POST("/v1/models/versions/{number}:rollback", { params, body: { note } }));
    },
    onSuccess: (now, step) => {
      setVerb(null);
      setNote("");
      notifications.show({ color: "teal", title: WORDS[step].done, message: `${now.label}: ${now.state}` });
      void client.invalidateQueries({ queryKey: ["models"] });
    },
  });
  const words = verb && WORDS[verb];
  if (!session.may.includes("model.release")) return null;
  return (
    <>
      {stepsOf(version.state).map((step) => (
        <Button key={step} size="xs" variant={step === "approve" || step === "release" ? "filled" : "default"} onClick={() => (act.reset(), setVerb(step))}>
          {WORDS[step].does}
        </Button>
      ))}
      <Dialog opened={verb !== null} onClose={() => setVerb(null)} title={words ? `${words.does} ${version.label}` : ""}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (verb) act.mutate(verb);
          }}
        >
          <Stack gap="sm">
            <Text size="sm">{words?.says}</Text>
            <Textarea label="Why" description="For whoever reads the record" value={note} onChange={(event) => setNote(event.currentTarget.value)} maxLength={2000} required={verb === "reject"} data-autofocus />
            {act.isError && <ProblemAlert error={act.error} />}
            <Button type="submit" loading={act.isPending} disabled={verb === "reject" && !note.trim()}>
              {words?.does}
            </Button>
          </Stack>
        </form>
      </Dialog>
    </>
  );
}
