/** From a document to each value that was read from it, to the decisions that took it, to what came of it. */
import { Button, Code, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, data, type Schemas } from "../../api/client";
import { ProblemAlert } from "../../parts/Broken";
import { AnchorLink } from "../../parts/Link";
import { Loading } from "../../parts/Loading";
import { State } from "../../parts/State";

type Value = Schemas["LineageValue"];
type Use = Schemas["LineageUse"];
const HOW = { equal: "as it stands", derived: "by way of another effect", before: "was recorded after it was read" } as const;

export function Lineage({ taskId }: { taskId: string }) {
  const lineage = useQuery({
    queryKey: ["task", taskId, "lineage"],
    queryFn: () => data(api.GET("/v1/tasks/{task_id}/lineage", { params: { path: { task_id: taskId } } })),
  });
  if (lineage.isError) return <ProblemAlert error={lineage.error} retry={() => void lineage.refetch()} />;
  if (!lineage.data) return <Loading what="The lineage" height={320} />;
  const { documents, values, complete } = lineage.data;
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        Each value that a model read: where it stood, which decisions took it, and what came of it. A use is known by the value itself standing in an effect's input, or one that was made from it.
      </Text>
      {documents.map((one) => (
        <AlsoRead key={one.id} document={one} taskId={taskId} />
      ))}
      {values.length === 0 && <Text c="dimmed">No model has read a value here.</Text>}
      {!complete && <Text className="warn">There were more values than are traced.</Text>}
      <div role="list" aria-label="Values">
        {values.map((value) => (
          <ValueRow key={`${value.effect} ${value.pointer}`} value={value} />
        ))}
      </div>
    </Stack>
  );
}

function ValueRow({ value }: { value: Value }) {
  return (
    <div role="listitem" className="lineage">
      <Box value={value} />
      <Stack gap={2}>
        <Text size="sm">
          <span className="quiet">{value.pointer}</span>
        </Text>
        <Text size="sm" fw={600}>
          {typeof value.value === "string" ? value.value : JSON.stringify(value.value)}
        </Text>
        <Text size="xs" c="dimmed">
          {value.page !== null && `page ${value.page}, `}
          {value.confidence !== null && `confidence ${value.confidence.toFixed(3)}, `}
          {value.model_version ?? "no model's name"}
        </Text>
      </Stack>
      <Uses title="Decisions" uses={value.decisions} />
      <Uses title="Effects" uses={value.effects} />
    </div>
  );
}

/** The page as an outline, with the place of the value. */
function Box({ value: { box, page, pointer } }: { value: Value }) {
  const [left = 0, top = 0, right = 0, bottom = 0] = box ?? [];
  const says = box ? `${pointer} stands on page ${page ?? 1}, ${Math.round(top * 100)} % from its top` : `Where ${pointer} stood is not known`;
  return (
    <svg viewBox="0 0 60 80" role="img" aria-label={says}>
      <rect x="1" y="1" width="58" height="78" rx="3" className="lineage-page" />
      {box && <rect x={1 + left * 58} y={1 + top * 78} width={Math.max((right - left) * 58, 3)} height={Math.max((bottom - top) * 78, 3)} className="lineage-box" />}
    </svg>
  );
}

function Uses({ title, uses }: { title: string; uses: Use[] }) {
  return (
    <Stack gap={4}>
      <Text size="xs" c="dimmed">
        {title}
      </Text>
      {uses.length === 0 && <Text size="sm">none</Text>}
      {uses.map((use) => (
        <div key={`${use.effect} ${use.at ?? ""}`}>
          <Group gap={6}>
            <Text size="sm">{use.name}</Text>
            {title === "Decisions" ? use.answer && <State state={use.answer} size="xs" /> : <State state={use.status} size="xs" />}
            {use.by && (
              <Text size="xs" c="dimmed">
                by {use.by}
              </Text>
            )}
          </Group>
          <Text size="xs" c="dimmed">
            {HOW[use.how]}
            {use.at && ` at ${use.at}`}
            {use.names && `, gave ${use.names}`}
          </Text>
          {title === "Decisions" && use.reasons.length > 0 && (
            <Group gap={4}>
              {use.reasons.map((id) => (
                <Code key={id} fz="xs">
                  {id}
                </Code>
              ))}
            </Group>
          )}
        </div>
      ))}
    </Stack>
  );
}

/** A document, and the other tasks that read it. */
function AlsoRead({ document, taskId }: { document: Schemas["Document"]; taskId: string }) {
  const [open, setOpen] = useState(false);
  const found = useQuery({
    queryKey: ["document", document.id, "lineage"],
    enabled: open,
    queryFn: () => data(api.GET("/v1/documents/{document_id}/lineage", { params: { path: { document_id: document.id } } })),
  });
  const others = found.data?.tasks.filter((one) => one.task_id !== taskId) ?? [];
  return (
    <Group gap="sm">
      <Text size="sm">{document.filename || document.id}</Text>
      {document.sha256 && <Code>{document.sha256.slice(0, 16)}…</Code>}
      {!open && (
        <Button size="compact-xs" variant="default" onClick={() => setOpen(true)}>
          Who else read it?
        </Button>
      )}
      {found.isError && <ProblemAlert error={found.error} />}
      {found.data && others.length === 0 && (
        <Text size="sm" c="dimmed">
          No other task read it.
        </Text>
      )}
      {others.map((one) => (
        <AnchorLink key={one.task_id} to="/tasks/$taskId" params={{ taskId: one.task_id }} size="sm">
          {one.automation} {one.task_id.slice(-8)}
        </AnchorLink>
      ))}
    </Group>
  );
}
