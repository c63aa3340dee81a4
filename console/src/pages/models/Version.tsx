/** A model version: who made it from what, how good it is, who did what with it, and whether its signature holds. */
import { Alert, Button, Code, Group, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle, IconDownload, IconShieldCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { api, data, type Schemas } from "../../api/client";
import { verifyStatement } from "../../lib/dsse";
import { dataOf, plainEntries } from "../../lib/models";
import { ProblemAlert } from "../../parts/Broken";
import { Json } from "../../parts/Json";
import { Loading } from "../../parts/Loading";
import { State } from "../../parts/State";
import { Time } from "../../parts/Time";
import { Steps } from "./Steps";

type View = Schemas["ModelVersionView"];
interface Card {
  description?: string;
  licence?: string;
  owner?: string;
  provenance?: Record<string, unknown>;
  measured?: Record<string, unknown>;
}

export function Version({ number }: { number: number }) {
  const found = useQuery({
    queryKey: ["models", number],
    queryFn: () => data(api.GET("/v1/models/versions/{number}", { params: { path: { number } } })),
  });
  if (found.isError) return <ProblemAlert error={found.error} retry={() => void found.refetch()} />;
  if (!found.data) return <Loading what="The version" height={240} />;
  const version = found.data;
  const card = version.card as Card;
  const facts: [string, React.ReactNode][] = [
    ["Made by", String(card.provenance?.trained_by ?? "not said")],
    ["Code", [card.provenance?.code, card.provenance?.code_version].filter(Boolean).map(String).join(", ") || "not said"],
    ["Data", dataOf(card.provenance).join("; ") || "not said"],
    ["Licence", card.licence ?? "not said"],
    ["Owner", card.owner ?? "not said"],
    ["Digest", <Code key="digest">{version.digest}</Code>],
    ["Named in outcomes", <Code key="label">{version.label}</Code>],
  ];
  return (
    <Stack gap="md">
      <Text size="sm">{card.description}</Text>
      <Group gap="xs">
        <Steps version={version} />
        <CardDownload version={version} />
        <Button component="a" size="xs" variant="default" href={`/v1/models/versions/${number}/bom`} download={`${version.model}-${version.version}.cdx.json`} leftSection={<IconDownload size={14} aria-hidden />}>
          ML-BOM
        </Button>
      </Group>
      <Signature version={version} />
      <dl className="origin">
        {facts.map(([name, value]) => (
          <Pair key={name} name={name}>{value}</Pair>
        ))}
      </dl>
      <Section title="Measured">
        <dl className="origin">
          {plainEntries(card.measured).map(([name, value]) => (
            <Pair key={name} name={name.replaceAll("_", " ")}>{String(value)}</Pair>
          ))}
        </dl>
      </Section>
      <Section title="On record">
        <ol className="removed">
          {version.acts.map((act) => (
            <li key={act.number}>
              <Group gap="xs">
                <State state={act.kind} size="xs" />
                <span>by {act.by},</span>
                <Time at={act.at} />
                {act.note && <span className="quiet">{act.note}</span>}
              </Group>
            </li>
          ))}
        </ol>
      </Section>
      <details>
        <summary>Its {Object.keys(version.files).length} files, each with its SHA-256</summary>
        <Json value={version.files} label="the files" />
      </details>
    </Stack>
  ); // prettier-ignore
}

function Pair({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function Section({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <Stack gap={4}>
      <Title order={2} size="h5">
        {title}
      </Title>
      {children}
    </Stack>
  );
}

/** Verify here that a key of the tenant signed exactly the files of this version. */
function Signature({ version }: { version: View }) {
  const { envelope } = version;
  const verdict = useQuery({
    queryKey: ["models", version.number, "signature", version.changed_at],
    enabled: envelope !== null,
    queryFn: async () => {
      const keys = await data(api.GET("/v1/models/keys"));
      return verifyStatement(envelope ?? {}, version.files, keys.items);
    },
  });
  if (envelope === null) return <Text size="sm" c="dimmed">It was never released, so nothing is signed.</Text>; // prettier-ignore
  if (verdict.isError) return <ProblemAlert error={verdict.error} retry={() => void verdict.refetch()} />;
  if (!verdict.data) return null;
  const { holds, why } = verdict.data;
  return (
    <Alert color={holds ? "teal" : "red"} p="xs" icon={holds ? <IconShieldCheck aria-hidden /> : <IconAlertTriangle aria-hidden />} title={holds ? "Its signature is verified" : "Its signature does not hold"}>
      {why}
    </Alert>
  );
}

function CardDownload({ version }: { version: View }) {
  const card = useQuery({
    queryKey: ["models", version.number, "card", version.changed_at],
    queryFn: () => data(api.GET("/v1/models/versions/{number}/card", { params: { path: { number: version.number } } })),
  });
  const download = (markdown: string) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([markdown], { type: "text/markdown" }));
    link.download = `${version.model}-${version.version}.md`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  if (card.isError) return <ProblemAlert error={card.error} />;
  return (
    <Button size="xs" variant="default" disabled={!card.data} onClick={() => card.data && download(card.data.markdown)} leftSection={<IconDownload size={14} aria-hidden />}>
      Model card
    </Button>
  );
}
