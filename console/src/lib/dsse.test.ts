import { beforeAll, describe, expect, it } from "vitest";
import { type SigningKey, verifyStatement } from "./dsse";
import { toHex } from "./merkle";

const TYPE = "application/vnd.in-toto+json";
const FILES = { "model.toml": "aa".repeat(32), "card.md": "bb".repeat(32) };
const base64 = (data: Uint8Array) => btoa(String.fromCharCode(...data));

async function makeKey(): Promise<{ key: SigningKey; sign: (type: string, body: string) => Promise<string> }> {
  const pair = (await crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"])) as CryptoKeyPair;
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const id = toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", raw)));
  const sign = async (type: string, body: string) => {
    const signed = new TextEncoder().encode(`DSSEv1 ${type.length} ${type} ${new TextEncoder().encode(body).length} ${body}`);
    return base64(new Uint8Array(await crypto.subtle.sign({ name: "Ed25519" }, pair.privateKey, signed)));
  };
  return { key: { id, public_key: toHex(raw) }, sign };
}

describe("a statement about a model", () => {
  let ours: Awaited<ReturnType<typeof makeKey>>;
  const body = JSON.stringify({ subject: Object.entries(FILES).map(([name, sha256]) => ({ name, digest: { sha256 } })) });
  const envelope = async (by = ours, type = TYPE, said = body) => ({
    payloadType: TYPE,
    payload: base64(new TextEncoder().encode(said)),
    signatures: [{ keyid: ours.key.id, sig: await by.sign(type, said) }],
  });
  beforeAll(async () => {
    ours = await makeKey();
  });

  it("holds where a known key signed exactly these files", async () => {
    expect(await verifyStatement(await envelope(), FILES, [ours.key])).toMatchObject({ holds: true });
  });
  it("does not hold by another key, a revoked one, or one under a false name", async () => {
    const other = await makeKey();
    expect((await verifyStatement(await envelope(other), FILES, [ours.key])).holds).toBe(false);
    expect((await verifyStatement(await envelope(), FILES, [other.key])).holds).toBe(false);
    expect((await verifyStatement(await envelope(), FILES, [{ ...ours.key, revoked_at: "2026-01-01T00:00:00Z" }])).holds).toBe(false);
    expect((await verifyStatement(await envelope(other), FILES, [{ ...other.key, id: ours.key.id }])).holds).toBe(false);
  });
  it("does not hold for other files, another type, or a changed payload", async () => {
    const good = await envelope();
    expect((await verifyStatement(good, { ...FILES, "more.py": "cc".repeat(32) }, [ours.key])).holds).toBe(false);
    expect((await verifyStatement(good, { "model.toml": FILES["model.toml"] }, [ours.key])).holds).toBe(false);
    expect((await verifyStatement(good, { ...FILES, "card.md": "cc".repeat(32) }, [ours.key])).holds).toBe(false);
    expect((await verifyStatement(await envelope(ours, "text/plain"), FILES, [ours.key])).holds).toBe(false);
    expect((await verifyStatement({ ...good, payload: btoa(body.replace("aa", "ab")) }, FILES, [ours.key])).holds).toBe(false);
    expect((await verifyStatement({ ...good, signatures: [] }, FILES, [ours.key])).holds).toBe(false);
  });
});
