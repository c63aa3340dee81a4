"""Which passwords are refused, and that a hash tells the right one."""

from __future__ import annotations

import pytest

from interlock.domain.errors import InvalidInput
from interlock.governance import passwords
from interlock.governance.passwords import Passwords

LONG = "sieben zwerge 漢字 und ein Berg "


@pytest.mark.parametrize(
    "password",
    [
        "short words", "aaaaaaaaaaaaaaaa", "password1234", "P@ssw0rd2024!", "123456789012", "qwertyuiop12", "abcdefghijkl", "lkjihgfedcba",
        "Welcome123456", "correct-horse-battery-staple", "mei-is-the-best-one-mei.lin", "x" * 2000, "Letmeinplease!!",
    ],
)  # fmt: skip
def test_a_weak_password_is_refused_and_never_quoted(password: str) -> None:
    with pytest.raises(InvalidInput) as told:
        passwords.check(password, user="user:mei.lin@example.org")
    assert told.value.fields[0].pointer == "/password"
    assert password not in str(told.value)


@pytest.mark.parametrize(
    "password", ["four words stand here", "Xq7-not-common-at-all", LONG, LONG * 10, "correct horse on the moon"]
)
def test_a_strong_password_is_taken(password: str) -> None:
    assert passwords.check(password, user="user:mei")


async def test_only_the_password_matches_in_either_unicode_form() -> None:
    known = Passwords()
    stored = await known.hash(passwords.check("ein schöner langer Satz", user="user:mei"))
    assert stored.startswith("$argon2id$")
    assert await known.matches(stored, "ein schöner langer Satz")
    assert await known.matches(stored, "ein schöner langer Satz")
    assert not await known.matches(stored, "ein schoner langer Satz")
    assert not await known.matches(None, "nobody has this")
    assert not await known.matches("no hash", "ein schöner langer Satz")
