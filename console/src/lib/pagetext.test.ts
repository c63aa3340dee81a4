import { describe, expect, it } from "vitest";
import { cut, findHits, type Line } from "./pagetext";

const lines: Line[] = [
  { parts: [{ text: "Kedai Total", box: [0, 0, 0.5, 0.1] }] },
  { parts: [{ text: "TOTAL", box: [0.1, 0.5, 0.3, 0.6] }, { text: "12.30", box: [0.7, 0.5, 0.9, 0.6] }] },
];
const pages = new Map([[2, lines], [1, [{ parts: [{ text: "a total, a total", box: [0, 0, 1, 0.1] }] } as Line]]]);

describe("finding words on pages", () => {
  it("goes through the pages in their order, whatever the case", () => {
    expect(findHits(pages, "total").map((hit) => [hit.page, hit.line, hit.start])).toEqual([[1, 0, 2], [1, 0, 11], [2, 0, 6], [2, 1, 0]]);
  });
  it("reaches over what stands apart in a line, and marks each where it stands", () => {
    const [hit] = findHits(pages, " total  12");
    const boxes = hit!.boxes.map((box) => box.map((edge) => Math.round(edge * 100) / 100));
    expect(boxes).toEqual([[0.1, 0.5, 0.3, 0.6], [0.7, 0.5, 0.78, 0.6]]);
  });
  it("finds nothing for one letter, for what is not there, and over lines", () => {
    expect(findHits(pages, "t")).toEqual([]);
    expect(findHits(pages, "absent")).toEqual([]);
    expect(findHits(pages, "kedai total total")).toEqual([]);
  });
  it("keeps places where lower case is longer", () => {
    const odd = new Map([[1, [{ parts: [{ text: "İİ total", box: [0, 0, 1, 1] }] } as Line]]]);
    expect(findHits(odd, "TOTAL")[0]!.start).toBe(3);
  });
  it("cuts a line where matches begin and end", () => {
    const line = lines[1]!;
    const pieces = cut(line, findHits(new Map([[1, [line]]]), "otal 1"));
    expect(pieces.map((piece) => [piece.text, piece.hit !== null])).toEqual([["T", false], ["OTAL 1", true], ["2.30", false]]);
  });
});
