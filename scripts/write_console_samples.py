"""Write a small signed log with its proofs, made by the product's own code, for the unit tests of the console's verifier.

    python scripts/write_console_samples.py

Seed 7; the key is of the sample alone.
"""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.domain import canonical
from interlock.governance import checkpoints, merkle
from interlock.governance.checkpoints import Checkpoint

FILE = Path(__file__).resolve().parents[1] / "console" / "src" / "lib" / "merkle.samples.json"
SEED, SIZES = 7, (1, 2, 7, 8, 13)


def sample() -> dict[str, object]:
    """Give logs of several sizes, each with a proof of every leaf, a checkpoint, and proofs that it continues each of its beginnings."""
    key = Ed25519PrivateKey.from_private_bytes(bytes([SEED]) * 32)
    logs = []
    for size in SIZES:
        leaves = [canonical.dumps({"kind": "sample", "number": number}).decode() for number in range(size)]
        hashes = [merkle.leaf_hash(leaf.encode()) for leaf in leaves]
        root = merkle.root(hashes)
        note = checkpoints.sign(Checkpoint(origin="interlock/sample", size=size, root=root), "sample", key)
        proofs = [[h.hex() for h in merkle.inclusion_proof(hashes, number)] for number in range(size)]
        # From every beginning of the log, signed by itself, to the whole of it.
        beginnings = [
            {
                "size": old,
                "note": checkpoints.sign(
                    Checkpoint(origin="interlock/sample", size=old, root=merkle.root(hashes[:old])), "sample", key
                ),
                "hashes": [h.hex() for h in merkle.consistency_proof(hashes, old)],
            }
            for old in range(1, size + 1)
        ]
        logs.append({"leaves": leaves, "root": root.hex(), "note": note, "proofs": proofs, "beginnings": beginnings})
    return {"verifier_key": checkpoints.verifier_key("sample", key.public_key()), "logs": logs}


if __name__ == "__main__":
    print(f"seed {SEED}: {FILE.name}")
    FILE.write_text(json.dumps(sample(), indent=1, ensure_ascii=False) + "\n")
