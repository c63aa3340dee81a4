/** Finding words on pages: where they stand in the text, and which places of the picture that is. Pure. */
export type Box = [number, number, number, number];

export interface Part {
  text: string;
  box: Box;
}

export interface Line {
  parts: Part[];
}

/** Words found once: `start` and `end` in the line's text, `boxes` as fractions of the page. */
export interface Hit {
  page: number;
  line: number;
  start: number;
  end: number;
  boxes: Box[];
}

export const FIND_CHARS_MIN = 2;

export const lineText = (line: Line): string => line.parts.map((part) => part.text).join(" ");

/** Lower case that keeps every character at its place. */
const folded = (text: string): string => [...text].map((char) => (char.toLowerCase().length === char.length ? char.toLowerCase() : char)).join("");

/** Find words in pages by their number, in reading order. A match may reach over parts of one line. */
export function findHits(pages: ReadonlyMap<number, readonly Line[]>, words: string): Hit[] {
  const wanted = folded(words.trim().replaceAll(/\s+/g, " "));
  if (wanted.length < FIND_CHARS_MIN) return [];
  const hits: Hit[] = [];
  for (const [page, lines] of [...pages].sort(([one], [other]) => one - other)) {
    for (const [number, line] of lines.entries()) {
      const text = folded(lineText(line));
      for (let start = text.indexOf(wanted); start >= 0; start = text.indexOf(wanted, start + wanted.length)) {
        const end = start + wanted.length;
        hits.push({ page, line: number, start, end, boxes: boxesOf(line, start, end) });
      }
    }
  }
  return hits;
}

/** Where a stretch of a line's text stands: of each part that it reaches into, that share of the part's width. */
function boxesOf(line: Line, start: number, end: number): Box[] {
  const boxes: Box[] = [];
  let at = 0;
  for (const { text, box } of line.parts) {
    const from = Math.max(start - at, 0);
    const to = Math.min(end - at, text.length);
    if (from < to) {
      const [x0, y0, x1, y1] = box;
      const wide = (x1 - x0) / text.length;
      boxes.push([x0 + from * wide, y0, x0 + to * wide, y1]);
    }
    at += text.length + 1;
  }
  return boxes;
}

/** Cut a line's text where matches begin and end: what stands in none has `hit` null. */
export function cut(line: Line, hits: readonly Hit[]): { text: string; hit: Hit | null }[] {
  const text = lineText(line);
  const pieces: { text: string; hit: Hit | null }[] = [];
  let at = 0;
  for (const hit of hits) {
    if (hit.start > at) pieces.push({ text: text.slice(at, hit.start), hit: null });
    pieces.push({ text: text.slice(hit.start, hit.end), hit });
    at = hit.end;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), hit: null });
  return pieces;
}
