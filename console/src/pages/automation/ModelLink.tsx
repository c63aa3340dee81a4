/** A model that an automation brings; where its version is on record, its card opens. */
import { Button, Code, Group, ScrollArea, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { api, data, type Schemas } from "../../api/client";
import { useSession } from "../../api/session";
import { ProblemAlert } from "../../parts/Broken";
import { Dialog } from "../../parts/Dialog";
import { Loading } from "../../parts/Loading";
import { State } from "../../parts/State";

export function ModelLink({ automation, model }: { automation: string; model: Schemas["AutomationModel"] }) {
  const session = useSession();
  const [opened, { open, close }] = useDisclosure();
  const versions = useQuery({
    queryKey: ["model-versions", automation],
    enabled: session.may.includes("model.list"),
    staleTime: 60_000,
    queryFn: () => data(api.GET("/v1/models/versions", { params: { query: { automation, limit: 100 } } })),
  });
  const found = versions.data?.items.find((one) => one.label === model.version);
  return (
    <Group gap="xs">
      <Code className="mono">{model.version}</Code>
      {found && (
        <>
          <State state={found.state} />
          <Button size="compact-xs" variant="default" onClick={open} aria-label={`Card of ${model.name}`}>
            Card
          </Button>
          <Dialog opened={opened} onClose={close} title={`Model ${model.name}, version ${found.number}`} size="xl">
            {opened && <CardText number={found.number} />}
          </Dialog>
        </>
      )}
    </Group>
  );
}

function CardText({ number }: { number: number }) {
  const card = useQuery({
    queryKey: ["model-card", number],
    queryFn: () => data(api.GET("/v1/models/versions/{number}/card", { params: { path: { number } } })),
  });
  if (card.isError) return <ProblemAlert error={card.error} retry={() => void card.refetch()} />;
  if (!card.data) return <Loading what="The card" height={240} />;
  return (
    <ScrollArea.Autosize mah="60dvh" viewportProps={{ tabIndex: 0, role: "region", "aria-label": "Model card" }}>
      <Text component="pre" size="sm" className="prose mono" m={0}>
        {card.data.markdown}
      </Text>
    </ScrollArea.Autosize>
  );
}
