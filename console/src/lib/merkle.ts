/** Verification in the browser, of what the server says about its own log: RFC 9162 inclusion, C2SP signed notes with Ed25519. */
const text = new TextEncoder();

export function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

export const toHex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const fromBase64 = (encoded: string) => Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));

async function sha256(...parts: Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

const LEAF = new Uint8Array([0]);
const NODE = new Uint8Array([1]);
const SIGNED = new Uint8Array([1]);

export const hashLeaf = (leaf: string) => sha256(LEAF, text.encode(leaf));

/** One step from a leaf to the root: which side the other hash stands on, and what comes of it. */
export interface Step {
  side: "left" | "right";
  other: string;
  result: string;
}

/** Follow an inclusion proof (RFC 9162, 2.1.3.2) from a leaf to the root; null where it does not have the right shape. */
export async function path(leaf: Uint8Array, position: number, size: number, hashes: string[]): Promise<Step[] | null> {
  if (position >= size) return null;
  let node = position;
  let last = size - 1;
  let hash: Uint8Array = leaf;
  const steps: Step[] = [];
  for (const other of hashes) {
    if (last === 0) return null;
    const bytes = fromHex(other);
    if (node % 2 === 1 || node === last) {
      hash = await sha256(NODE, bytes, hash);
      steps.push({ side: "left", other, result: toHex(hash) });
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
      }
    } else {
      hash = await sha256(NODE, hash, bytes);
      steps.push({ side: "right", other, result: toHex(hash) });
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? steps : null;
}

export interface TreeHead {
  origin: string;
  size: number;
  root: string;
}

/** Read the text of a checkpoint (C2SP tlog-checkpoint). */
export function readNote(note: string): TreeHead | null {
  const [origin, size, root] = note.split("\n");
  if (!origin || !/^\d+$/.test(size ?? "") || !root) return null;
  return { origin, size: Number(size), root: toHex(fromBase64(root)) };
}

/** Tell whether a note carries a signature of this verifier key (`NAME+ID+BASE64`). */
export async function signedBy(note: string, verifierKey: string): Promise<boolean> {
  const cut = note.lastIndexOf("\n\n");
  if (cut < 0) return false;
  const [name, id, ...rest] = verifierKey.split("+");
  const data = fromBase64(rest.join("+")); // base64 may hold a plus sign
  const wanted = (await sha256(text.encode(`${name}\n`), data)).slice(0, 4);
  if (data[0] !== SIGNED[0] || toHex(wanted) !== id) return false;
  const key = await crypto.subtle.importKey("raw", data.slice(1), { name: "Ed25519" }, false, ["verify"]);
  const body = text.encode(note.slice(0, cut + 1));
  for (const line of note.slice(cut + 2).split("\n")) {
    const [dash, signer, encoded] = line.split(" ");
    if (dash !== "—" || signer !== name || !encoded) continue;
    const bytes = fromBase64(encoded);
    if (toHex(bytes.slice(0, 4)) !== id) continue;
    if (await crypto.subtle.verify({ name: "Ed25519" }, key, bytes.slice(4), body)) return true;
  }
  return false;
}

export interface Verdict {
  holds: boolean;
  why: string;
  steps: Step[];
}

export interface Proof {
  position?: number | null;
  leaf?: string | null;
  hashes: string[];
  checkpoint: { size: number; root: string; note: string };
}

/** Verify that a leaf is in the log under a signed checkpoint, trusting nothing but the key. */
export async function verify(leaf: string, proof: Proof, verifierKeys: string[]): Promise<Verdict> {
  const bad = (why: string, steps: Step[] = []): Verdict => ({ holds: false, why, steps });
  const head = readNote(proof.checkpoint.note);
  if (!head) return bad("The checkpoint cannot be read.");
  if (proof.leaf !== leaf) return bad("The proof is of another record.");
  const steps = await path(await hashLeaf(leaf), proof.position ?? -1, head.size, proof.hashes);
  if (!steps) return bad("The proof does not have the shape of the tree.");
  const root = steps.at(-1)?.result ?? toHex(await hashLeaf(leaf));
  if (root !== head.root) return bad("The path does not lead to the checkpoint's root: the record was changed.", steps);
  for (const key of verifierKeys) {
    if (await signedBy(proof.checkpoint.note, key)) {
      return { holds: true, why: `Record ${proof.position} of ${head.size} leads to the root that ${key.split("+")[0]} signed.`, steps };
    }
  }
  return bad("No known key signed the checkpoint.", steps);
}

export interface ConsistencyProof {
  old?: { size: number; root: string; note: string } | null;
  checkpoint: { size: number; root: string; note: string };
  hashes: string[];
}

/** Give the two roots that a consistency proof leads to (RFC 9162, 2.1.4.2); null where it does not have the right shape. */
export async function bothRoots(older: TreeHead, newer: TreeHead, hashes: string[]): Promise<[string, string] | null> {
  if (older.size < 1 || older.size > newer.size) return null;
  if (older.size === newer.size) return hashes.length === 0 ? [older.root, newer.root] : null;
  const whole = 2 ** Math.floor(Math.log2(older.size)) === older.size; // a perfect tree is its own first hash
  const [first, ...rest] = whole ? [older.root, ...hashes] : hashes;
  if (first === undefined) return null;
  let node = older.size - 1;
  let last = newer.size - 1;
  while (node % 2 === 1) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  let before: Uint8Array = fromHex(first);
  let after: Uint8Array = before;
  for (const other of rest.map(fromHex)) {
    if (last === 0) return null;
    if (node % 2 === 1 || node === last) {
      before = await sha256(NODE, other, before);
      after = await sha256(NODE, other, after);
      while (node % 2 === 0 && node !== 0) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
    } else {
      after = await sha256(NODE, after, other);
    }
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 ? [toHex(before), toHex(after)] : null;
}

/** Verify that one signed checkpoint continues another: nothing of the older one was changed or taken away. */
export async function verifyConsistency(proof: ConsistencyProof, verifierKeys: string[]): Promise<Verdict> {
  const bad = (why: string): Verdict => ({ holds: false, why, steps: [] });
  const older = readNote(proof.old?.note ?? "");
  const newer = readNote(proof.checkpoint.note);
  if (!older || !newer) return bad("A checkpoint cannot be read.");
  if (older.origin !== newer.origin) return bad("The checkpoints are of different logs.");
  const roots = await bothRoots(older, newer, proof.hashes);
  if (!roots) return bad("The proof does not have the shape of the trees.");
  if (roots[0] !== older.root) return bad(`The proof does not lead to the root over ${older.size} records.`);
  if (roots[1] !== newer.root || (older.size === newer.size && older.root !== newer.root)) {
    return bad(`The root over ${newer.size} records does not continue the one over ${older.size}: the past was changed.`);
  }
  for (const note of [proof.old?.note ?? "", proof.checkpoint.note]) {
    const signed = await Promise.all(verifierKeys.map((key) => signedBy(note, key)));
    if (!signed.includes(true)) return bad("No known key signed one of the checkpoints.");
  }
  return { holds: true, why: `The first ${older.size} of ${newer.size} records are the same as they were.`, steps: [] };
}
