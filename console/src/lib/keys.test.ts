import { describe, expect, it } from "vitest";
import { moved, ownKey, readMap, refusal } from "./keys";

describe("keys that a reader moves", () => {
  it("take a free letter, and give their own away", () => {
    expect(refusal({}, "a", "y")).toBeNull();
    const map = moved({}, "a", "y");
    expect([ownKey(map, "a"), ownKey(map, "r"), ownKey(map, "/")]).toEqual(["y", "r", "/"]);
    expect(refusal(map, "r", "a")).toBeNull();
    expect(refusal(map, "r", "y")).toContain("Approve");
    expect(refusal({}, "a", "r")).toBe("r is taken: Reject.");
    expect(refusal({}, "a", "1")).toContain("letter");
    expect(refusal({}, "a", "a")).toBeNull();
    expect(moved(map, "a", "a")).toEqual({});
  });
  it("are left out where what the device keeps does not fit", () => {
    expect(readMap({ a: "y", q: "z", r: "7", x: 3 })).toEqual({ a: "y" });
    expect(readMap({ a: "r" })).toEqual({});
    expect(readMap({ a: "r", r: "a" })).toEqual({ a: "r", r: "a" });
    expect(readMap("nonsense")).toEqual({});
  });
});
