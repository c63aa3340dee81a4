/** The way from nothing to a first reviewed receipt: each step is ticked off when it is done, and the list goes when all are, or when one closes it. */
import { Anchor, Card, CloseButton, Code, Group, List, Text, ThemeIcon, Title } from "@mantine/core";
import { IconCheck, IconCircle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { api, data } from "../../api/client";
import { AnchorLink } from "../../parts/Link";
import { begin, end, hasBegun, isOver } from "./first";

/** Tell whether anything was answered, and which task is the newest, since the product is there. */
function useEver() {
  const answered = useQuery({
    queryKey: ["reviews", "ever-answered"],
    queryFn: async () => (await data(api.GET("/v1/reviews", { params: { query: { state: "answered", limit: 1 } } }))).items.length > 0,
  });
  const tasks = useQuery({
    queryKey: ["tasks", "newest"],
    queryFn: async () => (await data(api.GET("/v1/tasks", { params: { query: { limit: 1 } } }))).items,
  });
  return { answered: answered.data, newest: tasks.data?.[0] };
}

export function FirstSteps({ tasks }: { tasks: number }) {
  const { answered, newest } = useEver();
  const [over, setOver] = useState(isOver);
  const shown = !over && answered !== undefined && (!answered || hasBegun());
  useEffect(() => {
    if (shown) begin();
  }, [shown]);
  if (!shown) return null;
  const close = () => {
    end();
    setOver(true);
  };
  return <Steps handedIn={tasks > 0 || newest !== undefined} answered={answered} newest={newest?.id} onClose={close} />;
}

function Steps({ handedIn, answered, newest, onClose }: { handedIn: boolean; answered: boolean; newest: string | undefined; onClose: () => void }) {
  const steps: [boolean, ReactNode][] = [
    [true, "Interlock runs, and you are signed in."],
    [
      handedIn,
      <>
        Hand in a receipt: <AnchorLink underline="always" to="/automations/$name" params={{ name: "expenses" }}>drop it into the form</AnchorLink>, or{" "}
        <Code>interlock task submit expenses receipt.jpg</Code>. No receipt at hand? <Code>make demo</Code> draws some.
      </>,
    ],
    [
      answered,
      <>
        Answer what it is not sure of: it appears in the <AnchorLink underline="always" to="/inbox">inbox</AnchorLink> by itself. Whoever handed it in cannot answer it, so{" "}
        <AnchorLink underline="always" to="/access" search={{ tab: "keys" }}>make a key</AnchorLink> for somebody else first, with the role manager.
      </>,
    ],
    [
      false,
      <>
        Prove the record: open {newest ? <AnchorLink underline="always" to="/tasks/$taskId" params={{ taskId: newest }}>the task</AnchorLink> : "the task"} and look at its audit records, or run{" "}
        <Code>interlock audit verify</Code>.
      </>,
    ],
  ];
  return (
    <Card withBorder padding="lg" component="section" aria-label="First steps">
      <Group justify="space-between" align="flex-start" wrap="nowrap" mb="sm">
        <Title order={2} size="h4">
          To a first reviewed receipt, in three minutes
        </Title>
        <CloseButton aria-label="Close the first steps" onClick={onClose} />
      </Group>
      <List spacing="sm" center>
        {steps.map(([ok, says], number) => (
          <List.Item
            key={number}
            icon={
              <ThemeIcon size={22} radius="xl" variant="light" color={ok ? "teal" : "gray"} role="img" aria-label={ok ? "Done" : "To do"}>
                {ok ? <IconCheck size={14} aria-hidden /> : <IconCircle size={14} aria-hidden />}
              </ThemeIcon>
            }
          >
            {says}
          </List.Item>
        ))}
      </List>
      <Text size="sm" c="dimmed" mt="md">
        The same by program: <Anchor href="/docs" underline="always">the API</Anchor>.
      </Text>
    </Card>
  );
}
