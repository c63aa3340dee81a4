/** Where the bars of a timeline stand. Pure: times in, shares of the whole out. */
export interface Span {
  start: number; // milliseconds since the epoch
  end: number | null; // null: it still goes on
}

export interface Bar {
  left: number; // per cent
  width: number;
}

/** Give the time that a timeline covers: from the first beginning to the last end, or to now where something goes on. */
export function extent(spans: Span[], now: number): [number, number] {
  const start = Math.min(...spans.map((span) => span.start));
  const end = Math.max(...spans.map((span) => span.end ?? now));
  return [start, Math.max(end, start + 1)];
}

export function bar(span: Span, [start, end]: [number, number], now: number): Bar {
  const whole = end - start;
  const left = ((span.start - start) / whole) * 100;
  return { left, width: Math.max(0, (((span.end ?? now) - span.start) / whole) * 100) };
}
