/** Words in a document: a box to find them, and the way from one match to the next. */
import { ActionIcon, Group, Text, TextInput } from "@mantine/core";
import { IconChevronDown, IconChevronUp, IconSearch } from "@tabler/icons-react";
import { useQueries } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { pageTextQuery } from "../../api/queries";
import { usePageKeys } from "../../frame/Keys";
import { FIND_CHARS_MIN, findHits, type Hit, type Line } from "../../lib/pagetext";

export interface Page {
  document: string;
  number: number; // of the document
  whole: number; // over all documents, as fields say it
  picture: boolean;
}

/** What was asked for of the pages' text. Nothing is read before somebody looks for words, or at a page's text. */
export function useFind(pages: Page[], reading: number | null, onPage: (whole: number) => void) {
  const [words, setWords] = useState("");
  const [at, setAt] = useState(0);
  const finding = words.trim().length >= FIND_CHARS_MIN;
  const texts = useQueries({
    queries: pages.map((page) => ({ ...pageTextQuery(page.document, page.number), enabled: finding || page.whole === reading })),
  });
  const read = texts.map((text) => text.data);
  const known = useMemo(
    () => new Map<number, Line[]>(read.flatMap((text, index) => (text ? [[index + 1, text.lines]] : []))),
    [JSON.stringify(texts.map((text) => text.dataUpdatedAt))],
  );
  const hits = useMemo(() => findHits(known, words), [known, words]);
  const current: Hit | null = hits[Math.min(at, hits.length - 1)] ?? null;
  useEffect(() => {
    if (current) onPage(current.page); // the page follows the match
  }, [current?.page, current?.line, current?.start]);
  return {
    words,
    find: (next: string) => {
      setWords(next);
      setAt(0);
    },
    go: (by: number) => hits.length && setAt((Math.min(at, hits.length - 1) + by + hits.length) % hits.length),
    hits,
    current,
    place: current ? hits.indexOf(current) + 1 : 0,
    texts,
    left: finding ? texts.filter((text) => text.isFetching).length : 0,
    failed: finding ? texts.filter((text) => text.isError).length : 0,
  };
}

export type Finding = ReturnType<typeof useFind>;

export function FindWords({ finding, label, keys }: { finding: Finding; label: string; keys: boolean }) {
  const input = useRef<HTMLInputElement>(null);
  usePageKeys(keys ? [["/", (event) => { event.preventDefault(); input.current?.focus(); input.current?.select(); }]] : []); // prettier-ignore
  const { words, hits, place, left, failed } = finding;
  const asked = words.trim().length >= FIND_CHARS_MIN;
  return (
    <Group gap={4} wrap="nowrap">
      <TextInput
        ref={input}
        size="xs"
        w={150}
        aria-label={label}
        placeholder={keys ? "Find (/)" : "Find"}
        leftSection={<IconSearch size={14} aria-hidden />}
        value={words}
        onChange={(event) => finding.find(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") finding.go(event.shiftKey ? -1 : 1);
          else if (event.key === "Escape") {
            finding.find("");
            input.current?.blur();
          } else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      />
      <Text size="xs" c="dimmed" role="status" miw={asked ? 64 : 0}>
        {asked && (left > 0 ? `reading ${left} of ${finding.texts.length}` : hits.length > 0 ? `${place} of ${hits.length}` : failed > 0 ? "not readable" : "not found")}
      </Text>
      {hits.length > 1 && (
        <>
          <ActionIcon variant="subtle" aria-label="The match before (Shift+Enter)" onClick={() => finding.go(-1)}>
            <IconChevronUp size={16} aria-hidden />
          </ActionIcon>
          <ActionIcon variant="subtle" aria-label="The next match (Enter)" onClick={() => finding.go(1)}>
            <IconChevronDown size={16} aria-hidden />
          </ActionIcon>
        </>
      )}
    </Group>
  );
}
