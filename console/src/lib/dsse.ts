/** Verification in the browser of a signed statement about a model: a DSSE envelope with Ed25519, and that its subjects are the version's files. */
import { fromHex, toHex } from "./merkle";

export interface SigningKey {
  id: string;
  public_key: string;
  revoked_at?: string | null;
}

const STATEMENT = "application/vnd.in-toto+json";
const text = new TextEncoder();
const bytes = (encoded: string) => Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));

/** Give what is signed (PAE): the type and the payload, each with its length. */
function encoding(type: string, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = text.encode(`DSSEv1 ${text.encode(type).length} ${type} ${payload.length} `);
  const whole = new Uint8Array(head.length + payload.length);
  whole.set(head);
  whole.set(payload, head.length);
  return whole;
}

interface Envelope {
  payloadType?: unknown;
  payload?: unknown;
  signatures?: { keyid?: unknown; sig?: unknown }[];
}

/** Tell whether a key that is not revoked signed that a version consists of exactly these files (path and SHA-256). */
export async function verifyStatement(envelope: Envelope, files: Record<string, string>, keys: SigningKey[]): Promise<{ holds: boolean; why: string }> {
  const bad = (why: string) => ({ holds: false, why });
  if (envelope.payloadType !== STATEMENT || typeof envelope.payload !== "string" || !Array.isArray(envelope.signatures)) {
    return bad("It is no signed statement.");
  }
  const payload = bytes(envelope.payload);
  const signed = encoding(STATEMENT, payload);
  let signer: string | null = null;
  for (const { keyid, sig } of envelope.signatures) {
    const key = keys.find((one) => one.id === keyid && !one.revoked_at);
    if (!key || typeof sig !== "string") continue;
    const raw = fromHex(key.public_key);
    if (toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", raw))) !== key.id) return bad("A key is not the one that its name says.");
    const usable = await crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
    if (!(await crypto.subtle.verify({ name: "Ed25519" }, usable, bytes(sig), signed))) return bad("The signature does not hold.");
    signer = key.id;
  }
  if (signer === null) return bad("No key that counts signed it.");
  const { subject = [] } = JSON.parse(new TextDecoder().decode(payload)) as { subject?: { name: string; digest: { sha256: string } }[] };
  const stated = new Map(subject.map((one) => [one.name, one.digest.sha256]));
  const names = Object.keys(files);
  if (stated.size !== names.length || names.some((name) => stated.get(name) !== files[name])) return bad("It is signed for other files.");
  return { holds: true, why: `The key ${signer.slice(0, 12)} signed exactly these ${names.length} files.` };
}
