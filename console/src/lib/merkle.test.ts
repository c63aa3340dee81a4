import { describe, expect, it } from "vitest";
import { type ConsistencyProof, type Proof, readNote, signedBy, toHex, verify, verifyConsistency } from "./merkle";
import samples from "./merkle.samples.json";

const proofOf = (log: (typeof samples.logs)[number], at: number): Proof => ({
  position: at,
  leaf: log.leaves[at]!,
  hashes: log.proofs[at]!,
  checkpoint: { size: log.leaves.length, root: log.root, note: log.note },
});

const continued = (log: (typeof samples.logs)[number], size: number): ConsistencyProof => {
  const old = log.beginnings.find((one) => one.size === size)!;
  return { old: { size, root: "", note: old.note }, checkpoint: { size: log.leaves.length, root: log.root, note: log.note }, hashes: old.hashes };
};

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
  it("continues each of its beginnings", async () => {
    for (const { size } of log.beginnings) {
      const verdict = await verifyConsistency(continued(log, size), [samples.verifier_key]);
      expect(verdict, verdict.why).toMatchObject({ holds: true });
    }
  });
  it("does not continue what has other hashes, another length, or no known signature", async () => {
    for (const { size, hashes } of log.beginnings) {
      const proof = continued(log, size);
      const holds = async (other: Partial<ConsistencyProof>, keys = [samples.verifier_key]) =>
        (await verifyConsistency({ ...proof, ...other }, keys)).holds;
      expect(await holds({}, [])).toBe(false);
      expect(await holds({ hashes: [...hashes, "00".repeat(32)] })).toBe(false);
      if (hashes.length) expect(await holds({ hashes: hashes.slice(1) })).toBe(false);
      for (const at of hashes.keys()) expect(await holds({ hashes: hashes.with(at, "11".repeat(32)) })).toBe(false);
      if (size < log.leaves.length) expect(await holds({ old: proof.checkpoint, checkpoint: proof.old! })).toBe(false);
      const root = btoa(String.fromCharCode(...Array.from({ length: 32 }, () => size)));
      const forged = proof.old!.note.split("\n").with(2, root).join("\n"); // another past under the same name
      expect(toHex(new Uint8Array(32).fill(size))).toBe(readNote(forged)!.root);
      expect(await holds({ old: { ...proof.old!, note: forged } })).toBe(false);
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
