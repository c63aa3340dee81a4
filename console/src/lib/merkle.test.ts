import { describe, expect, it } from "vitest";
import { type Proof, signedBy, verify } from "./merkle";
import samples from "./merkle.samples.json";

const proofOf = (log: (typeof samples.logs)[number], at: number): Proof => ({
  position: at,
  leaf: log.leaves[at]!,
  hashes: log.proofs[at]!,
  checkpoint: { size: log.leaves.length, root: log.root, note: log.note },
});

describe.each(samples.logs.map((log) => [log.leaves.length, log] as const))("a log of %i", (_, log) => {
  it("holds every leaf", async () => {
    for (const [at, leaf] of log.leaves.entries()) {
      expect(await verify(leaf, proofOf(log, at), [samples.verifier_key])).toMatchObject({ holds: true });
    }
  });
  it("does not hold a leaf that was changed, moved, or proven by another path", async () => {
    for (const [at, leaf] of log.leaves.entries()) {
      const changed = `${leaf} `;
      expect((await verify(changed, { ...proofOf(log, at), leaf: changed }, [samples.verifier_key])).holds).toBe(false);
      const moved = (at + 1) % log.leaves.length;
      if (moved !== at) expect((await verify(leaf, { ...proofOf(log, at), position: moved }, [samples.verifier_key])).holds).toBe(false);
      const hashes = [...log.proofs[at]!, "00".repeat(32)];
      expect((await verify(leaf, { ...proofOf(log, at), hashes }, [samples.verifier_key])).holds).toBe(false);
    }
  });
});

it("is not fooled by a checkpoint that nobody known signed", async () => {
  const log = samples.logs[2]!;
  const forged = log.note.replace("interlock/sample", "interlock/simple");
  expect(await signedBy(forged, samples.verifier_key)).toBe(false);
  expect(await signedBy(log.note, samples.verifier_key)).toBe(true);
  expect((await verify(log.leaves[0]!, { ...proofOf(log, 0), checkpoint: { ...proofOf(log, 0).checkpoint, note: forged } }, [samples.verifier_key])).holds).toBe(false);
  expect((await verify(log.leaves[0]!, proofOf(log, 0), [])).holds).toBe(false);
});
