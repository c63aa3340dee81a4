"""Finding secrets: keys and tokens by the marks that their issuers give them, passwords by the words before them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from interlock.governance.redaction.findings import Found

_MARKED: Final = tuple(
    re.compile(rf"(?<![\w]){pattern}")
    for pattern in (
        r"(?:AKIA|ASIA)[0-9A-Z]{16}(?!\w)",
        r"gh[pousr]_[A-Za-z0-9]{20,255}",
        r"github_pat_\w{22,255}",
        r"glpat-[\w-]{20,64}",
        r"xox[abeoprs]-[\w-]{10,250}",
        r"[srp]k_(?:live|test)_\w{16,250}",
        r"AIza[\w-]{35}",
        r"sk-[\w-]{20,200}",
        r"whsec_[\w+/=]{20,200}",
        r"il_(?:live|test)_[a-z0-9]{4,64}_[\w-]{16,200}",
        r"npm_[A-Za-z0-9]{36}",
        r"pypi-[\w-]{32,400}",
        r"eyJ[\w-]{8,4000}\.eyJ[\w-]{8,8000}\.[\w-]{8,4000}",
    )
)
_IN_URL: Final = re.compile(r"://[^\s:/@]{0,100}:([^\s@/]{1,200})@")
_BEARER: Final = re.compile(r"(?<!\w)(?:bearer|basic) {1,4}([\w.~+/=-]{12,4000})", re.IGNORECASE)
_NAMED: Final = re.compile(
    r"(?:password|passwd|passphrase|passwort|pwd|secret|token|api[_ -]?key|access[_ -]?key|private[_ -]?key|credential)s?"
    r"(?:[\"'\]]{0,2}\s{0,3}[:=]\s{0,3}| is )[\"']{0,2}([^\s\"',;]{6,300})",
    re.IGNORECASE,
)
_BEGIN: Final = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----")


def find(text: str) -> Iterator[Found]:
    """Find secrets. A private key without its end is taken to the end of the text."""
    for pattern in _MARKED:
        for match in pattern.finditer(text):
            yield Found("SECRET", match.start(), match.end(), 0.98)
    for pattern in (_IN_URL, _BEARER, _NAMED):
        for match in pattern.finditer(text):
            yield Found("SECRET", match.start(1), match.end(1), 0.97)
    after = 0
    for match in _BEGIN.finditer(text):
        if match.start() < after:
            continue
        end = text.find(f"-----END {match[0][11:]}", match.end())
        end = len(text) if end < 0 else end + len(match[0]) - 2
        yield Found("SECRET", match.start(), min(end, len(text)), 0.99)
        after = end
