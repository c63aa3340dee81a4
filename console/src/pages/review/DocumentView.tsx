/** A document page by page, with what was read marked where it stands. Boxes are fractions of a page. */
import { ActionIcon, Alert, Anchor, Group, SegmentedControl, Stack, Text, Tooltip } from "@mantine/core";
import { IconDownload, IconRotateClockwise, IconZoomIn, IconZoomOut, IconZoomReset } from "@tabler/icons-react";
import { useQueries } from "@tanstack/react-query";
import { useEffect, useImperativeHandle, useRef, useState, type Ref } from "react";
import { documentQuery } from "../../api/queries";
import { useKeyName } from "../../frame/Keys";
import type { Box as Place } from "../../lib/pagetext";
import type { Field } from "../../lib/review";
import { Loading } from "../../parts/Loading";
import { FindWords, type Page, useFind } from "./Find";
import { PageChoice } from "./PageChoice";
import { PageText } from "./PageText";

export interface ViewKeys {
  zoom: (by: number) => void;
  rotate: () => void;
  /** Go from the picture to the text, or back. */
  turnOver: () => void;
}

const ZOOM_MAX = 4;

export function DocumentView(props: {
  documents: string[];
  fields: Field[];
  current: string | null;
  onSelect: (field: string) => void;
  label?: string;
  keys?: boolean; // whether `/` leads to its words
  ref?: Ref<ViewKeys>;
}) {
  const { documents, fields, current, onSelect, label = "Document", keys = true, ref } = props;
  const found = useQueries({ queries: documents.map((id) => documentQuery(id)) });
  const pages: Page[] = [];
  for (const { data } of found) {
    if (!data) continue;
    for (let number = 1; number <= (data.pages ?? 1); number++) {
      pages.push({ document: data.id, number, whole: pages.length + 1, picture: data.media_type !== "application/pdf" });
    }
  }
  const [at, setAt] = useState(1);
  const [zoom, setZoom] = useState(1);
  const [turned, setTurned] = useState(0);
  const keyName = useKeyName();
  const [asText, setAsText] = useState(false);
  const shown = pages[Math.min(at, pages.length) - 1];
  const finding = useFind(pages, asText && shown ? shown.whole : null, setAt);
  const hits = finding.hits.filter((hit) => hit.page === shown?.whole);
  const field = fields.find((one) => one.name === current)?.found;
  const frame = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (field?.page) setAt(field.page); // the page follows the field
  }, [field?.page]);
  useEffect(() => {
    center(frame.current, '[data-current="true"]');
  }, [current, shown?.whole, zoom]);
  useEffect(() => {
    center(frame.current, '[data-hit="true"]');
  }, [finding.current, shown?.whole, asText]);
  useImperativeHandle(ref, () => ({
    turnOver: () => setAsText((now) => !now),
    zoom: (by) => setZoom((now) => Math.min(ZOOM_MAX, Math.max(0.5, now * by))),
    rotate: () => setTurned((now) => (now + 90) % 360),
  }));

  if (documents.length === 0) return <Text c="dimmed">There is no document to look at.</Text>;
  if (found.some((one) => one.isError)) {
    return <Alert color="orange" title="The document cannot be shown">It was erased, or you may not read it.</Alert>;
  }
  if (!shown) return <Loading what="The document" />;
  return (
    <Stack gap="xs">
      <Group justify="space-between" gap="xs">
        <SegmentedControl size="xs" value={asText ? "text" : "picture"} onChange={(value) => setAsText(value === "text")} data={[{ value: "picture", label: "Picture" }, { value: "text", label: "Text" }]} aria-label="How it is shown" />
        <FindWords finding={finding} label={`Find in the ${label.toLowerCase()}`} keys={keys} />
        <PageChoice at={shown.whole} of={pages.length} onChange={setAt} />
        <Group gap={4}>
          {!asText && <>
          <Button label="Smaller (−)" onClick={() => setZoom(Math.max(0.5, zoom / 1.25))} Icon={IconZoomOut} />
          <Button label="As wide as here" onClick={() => setZoom(1)} Icon={IconZoomReset} />
          <Button label="Larger (+)" onClick={() => setZoom(Math.min(ZOOM_MAX, zoom * 1.25))} Icon={IconZoomIn} />
          <Button label={`Turn (${keyName("o")})`} onClick={() => setTurned((turned + 90) % 360)} Icon={IconRotateClockwise} />
          </>}
          <Tooltip label="Download">
            <ActionIcon component="a" href={`/v1/documents/${shown.document}/content`} variant="subtle" aria-label="Download the document">
              <IconDownload size={18} aria-hidden />
            </ActionIcon>
          </Tooltip>
        </Group>
      </Group>
      <div className="page-frame" ref={frame} tabIndex={0} role="region" aria-label={label}>
        {asText ? <PageText text={finding.texts[shown.whole - 1]!} hits={hits} current={finding.current} /> :
        <Sheet key={`${shown.document} ${shown.number}`} page={shown} zoom={zoom} turned={turned}>
          {hits.map((hit) => hit.boxes.map((box, part) => (
            <div key={`${hit.line} ${hit.start} ${part}`} aria-hidden className="page-hit" data-hit={hit === finding.current} style={placed(box)} />
          )))}
          {fields.map((one) => one.found?.box && (one.found.page ?? 1) === shown.whole && (
            <Box key={one.name} field={one} box={one.found.box} current={one.name === current} onSelect={onSelect} />
          ))}
        </Sheet>}
      </div>
    </Stack>
  );
}

function Sheet({ page, zoom, turned, children }: { page: Page; zoom: number; turned: number; children: React.ReactNode }) {
  const source = page.picture ? `/v1/documents/${page.document}/content` : `/v1/documents/${page.document}/pages/${page.number}`;
  const [failed, setFailed] = useState(false);
  if (failed) {
    return (
      <Text p="md">
        This page cannot be shown here. <Anchor href={`/v1/documents/${page.document}/content`}>Download it</Anchor>
      </Text>
    );
  }
  return (
    <div className="page-sheet" style={{ width: `${zoom * 100}%`, transform: turned ? `rotate(${turned}deg)` : undefined, transformOrigin: "center" }}>
      <img src={source} alt={`Page ${page.number}`} decoding="async" onError={() => setFailed(true)} />
      {children}
    </div>
  );
}

/** Bring what is meant into the middle of the frame; the page around it stays where it is. */
function center(frame: HTMLElement | null, selector: string) {
  const meant = frame?.querySelector(selector);
  if (!frame || !meant) return;
  const [outer, inner] = [frame.getBoundingClientRect(), meant.getBoundingClientRect()];
  const by = (start: "left" | "top", size: "width" | "height") => inner[start] + inner[size] / 2 - outer[start] - outer[size] / 2;
  frame.scrollBy({ left: by("left", "width"), top: by("top", "height"), behavior: "instant" });
}

/** Put something where a box stands on the page. */
const placed = ([x0, y0, x1, y1]: Place) => ({ left: `${x0 * 100}%`, top: `${y0 * 100}%`, width: `${(x1 - x0) * 100}%`, height: `${(y1 - y0) * 100}%` });

function Box(props: { field: Field; box: Place; current: boolean; onSelect: (field: string) => void }) {
  const { field, box, current, onSelect } = props;
  return (
    <div
      aria-hidden // its field is a button of its own
      className="page-box"
      data-current={current}
      title={field.label}
      style={placed(box)}
      onClick={() => onSelect(field.name)}
    />
  );
}

function Button({ label, onClick, Icon }: { label: string; onClick: () => void; Icon: typeof IconZoomIn }) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="subtle" onClick={onClick} aria-label={label}>
        <Icon size={18} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
