/** A proof drawn as a path: from the leaf past each hash beside it to the root, and to the signature over that. */
import type { Verdict } from "../lib/merkle";

const WIDE = 340;
const STEP = 58;
const BOX = { wide: 104, high: 26 };
const MIDDLE = WIDE / 2;
const SIDE = { left: BOX.wide / 2 + 2, right: WIDE - BOX.wide / 2 - 2 };

export function ProofPath({ leafHash, position, verdict }: { leafHash: string; position: number; verdict: Verdict }) {
  const { steps, holds } = verdict;
  const high = STEP * (steps.length + 2);
  const says = `Record ${position} leads over ${steps.length} ${steps.length === 1 ? "hash" : "hashes"} ${holds ? "to the signed root" : "to no root that is signed"}`;
  return (
    <figure className="proof">
      <svg viewBox={`0 0 ${WIDE} ${high}`} role="img" aria-label={says} data-holds={holds}>
        {steps.map((step, number) => {
          const top = STEP * number + STEP / 2;
          return (
            <g key={step.other + step.result}>
              <line x1={MIDDLE} y1={top} x2={MIDDLE} y2={top + STEP} className="proof-way" />
              <path d={`M${SIDE[step.side]} ${top + BOX.high / 2} V${top + STEP / 2} H${MIDDLE}`} className="proof-beside" />
              <Hash x={SIDE[step.side]} y={top} hash={step.other} kind="beside" />
            </g>
          );
        })}
        <line x1={MIDDLE} y1={high - STEP * 1.5} x2={MIDDLE} y2={high - STEP / 2} className="proof-way" />
        <Hash x={MIDDLE} y={STEP / 2} hash={leafHash} kind="leaf" />
        {steps.map((step, number) => (
          <Hash key={step.result} x={MIDDLE} y={STEP * (number + 1) + STEP / 2} hash={step.result} kind={number === steps.length - 1 ? "root" : "node"} />
        ))}
        <Label x={MIDDLE + BOX.wide / 2 + 8} y={STEP / 2} show={steps[0]?.side !== "right"}>
          leaf
        </Label>
        <Label x={MIDDLE + BOX.wide / 2 + 8} y={high - STEP * 1.5} show={steps.length > 0}>
          {holds ? "root" : "no such root"}
        </Label>
        <rect x={MIDDLE - 76} y={high - STEP / 2 - BOX.high / 2} width={152} height={BOX.high} rx={13} className="proof-seal" />
        <text x={MIDDLE} y={high - STEP / 2 + 4} textAnchor="middle" className="proof-word">
          {holds ? "✓ signed by the log" : "✗ not what was signed"}
        </text>
      </svg>
      <details>
        <summary>The path in full</summary>
        <ol className="proof-path" aria-label="Path to the root">
          <li>
            leaf <span className="mono">{leafHash}</span>
          </li>
          {steps.map((step) => (
            <li key={step.other + step.result}>
              with <span className="mono">{step.other}</span> on the {step.side} → <span className="mono">{step.result}</span>
            </li>
          ))}
          <li>{holds ? "= the signed root" : "which is not the signed root"}</li>
        </ol>
      </details>
    </figure>
  );
}

function Hash({ x, y, hash, kind }: { x: number; y: number; hash: string; kind: "leaf" | "node" | "root" | "beside" }) {
  return (
    <g className={`proof-${kind}`}>
      <title>{hash}</title>
      <rect x={x - BOX.wide / 2} y={y - BOX.high / 2} width={BOX.wide} height={BOX.high} rx={6} />
      <text x={x} y={y + 4} textAnchor="middle" className="proof-hash">
        {hash.slice(0, 10)}…
      </text>
    </g>
  );
}

function Label({ x, y, show, children }: { x: number; y: number; show: boolean; children: string }) {
  return show ? (
    <text x={x} y={y + 4} className="proof-label">
      {children}
    </text>
  ) : null;
}
