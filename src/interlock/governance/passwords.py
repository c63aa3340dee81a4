"""Passwords: what is refused, and how they are kept (argon2id, RFC 9106).

Hashing is slow and takes 64 MiB on purpose; it runs in a thread, few at a time, so that tries to sign in cannot take the memory of a process.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from interlock.domain.errors import FieldError, InvalidInput

CHARS_MIN: Final = 12
CHARS_MAX: Final = 1_024
DIFFERENT_MIN: Final = 5
AT_ONCE: Final = 2
# What many people take, without digits and signs around it and with letters for the digits that stand for them.
COMMON: Final = frozenset(
    [
        "abcdefghijkl", "administrator", "adminadmin", "changeme", "changemeplease", "changemenow", "correcthorsebatterystaple", "default",
        "dragon", "football", "iloveyou", "iloveyouforever", "interlock", "interlockadmin", "letmein", "letmeinplease", "letmeinnow",
        "master", "monkey", "mypassword", "mynameis", "nopassword", "passphrase", "password", "passwordpassword", "passwort", "princess",
        "qazwsxedc", "qazwsxedcrfv", "qwerty", "qwertyqwerty", "qwertyuiop", "qwertyuiopasdf", "qwertzuiop", "asdfghjkl",
        "asdfghjklzxcvbnm", "zxcvbnm", "secret", "secretpassword", "starwars", "sunshine", "superman", "thisismypassword", "trustno",
        "welcome", "welcomewelcome", "whatever", "winteriscoming", "motdepasse", "contrasena", "administrateur", "superuser", "supersecret",
        "topsecret",
    ]
)  # fmt: skip
_LETTERS: Final = str.maketrans("013457@$!", "oieastasi")
_AROUND: Final = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_RUNS: Final = ("abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiopasdfghjklzxcvbnm")


def check(password: str, *, user: str) -> str:
    """Give the password in the form that is kept (NFKC); raises InvalidInput, which never quotes it."""
    text = unicodedata.normalize("NFKC", password)
    if not CHARS_MIN <= len(text) <= CHARS_MAX:
        raise _weak(
            f"has {'under ' + str(CHARS_MIN) if len(text) < CHARS_MIN else 'over ' + str(CHARS_MAX)} characters"
        )
    folded = text.casefold()
    if len(set(folded)) < DIFFERENT_MIN:
        raise _weak(f"has under {DIFFERENT_MIN} different characters")
    if len(name := user.partition(":")[2].partition("@")[0].casefold()) >= 4 and name in folded:
        raise _weak("holds the user's name")
    bare = _AROUND.sub("", folded)
    spelled = {word for given in (folded, bare) for word in (given, _AROUND.sub("", given.translate(_LETTERS)))}
    plain = {re.sub(r"[\W_]", "", word) for word in spelled}
    if (spelled | plain) & COMMON or any(folded in run or folded[::-1] in run for run in _RUNS):
        raise _weak("is one that many people take")
    return text


def _weak(why: str) -> InvalidInput:
    return InvalidInput(
        f"The password {why}.",
        fix=f"Take {CHARS_MIN} characters or more, such as four words that do not belong together.",
        fields=[FieldError(pointer="/password", detail=why)],
    )


class Passwords:
    """Hashes and checks passwords, `AT_ONCE` at a time. One a process; it belongs to the event loop that first uses it."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """Give the hash in PHC form, with its own salt."""
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Tell whether it is the password; takes as long where there is none to compare with (None), and is False then."""
        if self._nobodys is None:
            self._nobodys = await self.hash("nobody has this")
        text = unicodedata.normalize("NFKC", password[:CHARS_MAX])
        async with self._turn:
            right = await asyncio.to_thread(self._verified, stored or self._nobodys, text)
        return right and stored is not None

    def _verified(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
