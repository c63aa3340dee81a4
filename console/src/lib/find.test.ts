import { expect, it } from "vitest";
import { hasWords, readFind } from "./find";

it("words become filters where they can", () => {
  const id = `task_${"a1".repeat(16)}`;
  expect(readFind(`failed expenses user:amir team=north kedai ${"0f".repeat(16)}`, ["expenses"])).toEqual({
    state: ["failed"], automation: "expenses", submitted_by: "user:amir", label: ["team:north"], correlation_id: "0f".repeat(16), words: ["kedai"],
  }); // prettier-ignore
  expect(readFind(`  ${id} `, [])).toEqual({ task: id, words: [] });
  expect(readFind("Unresolved", [])).toEqual({ resolved: false, words: [] });
  expect(readFind("resolved cancelled", [])).toEqual({ resolved: true, state: ["cancelled"], words: [] });
});

it("every other word has to be there", () => {
  expect(hasWords({ output: { merchant: "KEDAI Ali" } }, ["ali", "kedai"])).toBe(true);
  expect(hasWords({ output: { merchant: "KEDAI Ali" } }, ["tesco"])).toBe(false);
});
