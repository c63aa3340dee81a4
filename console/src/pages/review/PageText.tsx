/** A page as its text: lines to read, to find in, and to copy. */
import { Stack, Text } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { Schemas } from "../../api/client";
import { cut, type Hit } from "../../lib/pagetext";
import { ProblemAlert } from "../../parts/Broken";
import { Loading } from "../../parts/Loading";

export function PageText({ text, hits, current }: { text: UseQueryResult<Schemas["PageText"]>; hits: Hit[]; current: Hit | null }) {
  if (text.isError) return <ProblemAlert error={text.error} retry={() => void text.refetch()} />;
  if (!text.data)
    return (
      <Stack gap="xs">
        <Text size="sm" c="dimmed">
          The page is being read. That takes some seconds the first time.
        </Text>
        <Loading what="The text of the page" height={320} />
      </Stack>
    );
  const { lines, source } = text.data;
  return (
    <Stack gap="xs" p="md" className="page-text">
      <Text size="xs" c="dimmed">
        {source === "layer" ? "The file's own text." : "Read from the picture: it may be wrong."}
      </Text>
      {lines.length === 0 && <Text c="dimmed">No text was found on this page.</Text>}
      <div>
        {lines.map((line, number) => (
          <p key={number}>
            {cut(line, hits.filter((hit) => hit.line === number)).map((piece, at) =>
              piece.hit ? (
                <mark key={at} data-hit={piece.hit === current}>
                  {piece.text}
                </mark>
              ) : (
                piece.text
              ),
            )}
          </p>
        ))}
      </div>
    </Stack>
  );
}
