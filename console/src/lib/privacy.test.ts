import { expect, it } from "vitest";
import { confirms, removedIn } from "./privacy";

it("says what was removed and where, of values and of documents", () => {
  expect(
    removedIn([
      { id: "/a#1" },
      { id: "/b#1", redactions: [{ type: "iban_code", pointer: "/note", count: 2 }, { type: "person", document: "doc_1", page: 2, box: [0.1, 0.2, 0.3, 0.4] }] },
      { id: "/c#1", redactions: [{ type: "email", pointer: "" }] },
    ]),
  ).toEqual([
    { effect: "/b#1", type: "iban_code", where: "/note", count: 2 },
    { effect: "/b#1", type: "person", where: "doc_1, page 2, at 10 %, 20 %, 30 %, 40 %", count: 1 },
    { effect: "/c#1", type: "email", where: "the whole value", count: 1 },
  ]); // prettier-ignore
});

it("confirms only the very person", () => {
  expect(confirms("user:mei ", "user:mei")).toBe(true);
  expect(confirms("user:me", "user:mei")).toBe(false);
  expect(confirms("", "user:mei")).toBe(false);
});
