"""Tokens that others signed (JWT, RFC 7519; ID tokens, OpenID Connect Core 1.0), read by the rules of RFC 8725 and more strictly.

A token's header chooses nothing: the algorithm is the one that is set for its issuer, and a key comes from what the issuer publishes, by `kid`.
What would name a key itself (`jwk`, `jku`, `x5u`, `x5c`) or change the rules (`crit`, `b64`, `zip`) is refused unread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NoReturn

from joserfc import jwk, jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key

TOKEN_CHARS_MAX: Final = 16_384
LEEWAY_S: Final = 60.0  # by how much clocks may differ
ID_TOKEN_AGE_S_MAX: Final = 600.0
LIFE_S_MAX: Final = 86_400.0  # of a token that a program sends
SECONDS_MAX: Final = 2**40  # of a time since 1970; beyond it no clock shows it
SUBJECT_CHARS_MAX: Final = 255
KEYS_MAX: Final = 50
RSA_BITS: Final = (2_048, 8_192)
_KINDS: Final = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
_HASHES: Final = {"RS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}
_NEVER: Final = ("jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc")
_OF_ID_TOKENS: Final = ("nonce", "at_hash", "c_hash", "s_hash")


class TokenRefused(Exception):
    """A token that is not believed. `why` is for the record and says nothing of what stands in it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A token as it came; nothing of it is believed yet."""

    text: str
    kid: str | None
    algorithm: str
    kind: str
    claims: Mapping[str, Any]


def split(text: str) -> Parts:
    """Read a token without believing it; raises TokenRefused for one that is too long, no JWT, ambiguous, or names its own key."""
    if len(text) > TOKEN_CHARS_MAX:
        raise TokenRefused("too long")
    pieces = text.split(".")
    if len(pieces) != 3:
        raise TokenRefused("malformed")
    header, claims = (_object(piece) for piece in pieces[:2])
    if any(name in header for name in _NEVER):
        raise TokenRefused("header")
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or not isinstance(kind, str) or not (kid is None or isinstance(kid, str)):
        raise TokenRefused("header")
    return Parts(text=text, kid=kid, algorithm=algorithm, kind=kind.lower().removeprefix("application/"), claims=claims)


def import_keys(document: Mapping[str, Any], algorithm: str) -> dict[str | None, Key]:
    """Give the published keys (JWK Set, RFC 7517) that fit the algorithm, by their `kid`; others are left out.

    A key without one has the place None. Raises TokenRefused where the set is none, or too large.
    """
    given = document.get("keys")
    if not isinstance(given, list) or len(given) > KEYS_MAX:
        raise TokenRefused("keys")
    kind, curve = _KINDS[algorithm]
    found: dict[str | None, Key] = {}
    for one in given:
        if not isinstance(one, dict) or one.get("kty") != kind or (curve is not None and one.get("crv") != curve):
            continue
        if one.get("use", "sig") != "sig" or one.get("alg", algorithm) != algorithm:
            continue
        kid = one.get("kid")
        if not (kid is None or isinstance(kid, str)) or "d" in one or (kind == "RSA" and not _strong(one)):
            continue
        try:
            found[kid] = jwk.import_key({name: one[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in one})
        except (JoseError, ValueError, TypeError, KeyError):
            continue  # a key that is none verifies nothing
    return found


def choose(keys: Mapping[str | None, Key], kid: str | None) -> Key | None:
    """Give the key that a token names; one that names none may have the only key (OpenID Connect Core 1.0, 10.1)."""
    return keys.get(kid) if kid is not None else next(iter(keys.values())) if len(keys) == 1 else None


def verify(token: Parts, key: Key, algorithm: str) -> None:
    """Check the signature by the algorithm that is set; raises TokenRefused."""
    if token.algorithm != algorithm:
        raise TokenRefused("algorithm")
    try:
        jws.deserialize_compact(token.text, key, registry=_Pinned(algorithm))
    except (JoseError, ValueError) as error:
        raise TokenRefused("signature") from error


def check_id_token(
    token: Parts, *, issuer: str, client_id: str, nonce: str, access_token: str | None, algorithm: str, now: datetime
) -> Mapping[str, Any]:
    """Check the claims of an ID token whose signature is right (OpenID Connect Core 1.0, 3.1.3.7); raises TokenRefused."""
    claims = token.claims
    if token.kind != "jwt":
        raise TokenRefused("type")
    audience = _check_for(claims, issuer=issuer, audience=client_id)
    if (len(audience) > 1 or "azp" in claims) and claims.get("azp") != client_id:
        raise TokenRefused("azp")
    _check_times(claims, now)
    if claims.get("iat") is None or now.timestamp() - claims["iat"] > ID_TOKEN_AGE_S_MAX:
        raise TokenRefused("iat")
    if not _same(claims.get("nonce"), nonce):
        raise TokenRefused("nonce")
    if "at_hash" in claims:
        half = _HASHES[algorithm]((access_token or "").encode()).digest()
        expected = base64.urlsafe_b64encode(half[: len(half) // 2]).rstrip(b"=").decode()
        if access_token is None or not _same(claims["at_hash"], expected):
            raise TokenRefused("at_hash")
    return claims


def check_access_token(token: Parts, *, issuer: str, audience: str, now: datetime) -> Mapping[str, Any]:
    """Check the claims of a token that a program sends, whose signature is right (RFC 9068); raises TokenRefused.

    An ID token says who signed in to an application, and opens no API: one is refused by its audience, and by the claims that only it has.
    """
    claims = token.claims
    if token.kind not in ("jwt", "at+jwt"):
        raise TokenRefused("type")
    _check_for(claims, issuer=issuer, audience=audience)
    _check_times(claims, now)
    if claims["exp"] - now.timestamp() > LIFE_S_MAX:
        raise TokenRefused("life")
    if any(name in claims for name in _OF_ID_TOKENS):
        raise TokenRefused("ID token")
    return claims


def _check_for(claims: Mapping[str, Any], *, issuer: str, audience: str) -> Sequence[str]:
    if not _same(claims.get("iss"), issuer):
        raise TokenRefused("issuer")
    given = claims.get("aud")
    found = [given] if isinstance(given, str) else given
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found) or audience not in found:
        raise TokenRefused("audience")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARS_MAX or not subject.isprintable():
        raise TokenRefused("subject")
    return found


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    at = now.timestamp()
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if value is None and name != "exp":
            continue
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= SECONDS_MAX:
            raise TokenRefused(name)
    if at >= claims["exp"] + LEEWAY_S:
        raise TokenRefused("expired")
    for name in ("nbf", "iat"):
        if (claims.get(name) or 0) > at + LEEWAY_S:
            raise TokenRefused(name)


def _same(given: object, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def _object(piece: str) -> dict[str, Any]:
    """Read a part of a token: base64url of one JSON object, in which nothing stands twice."""
    try:
        data = base64.b64decode(piece + "=" * (-len(piece) % 4), altchars=b"-_", validate=True)
        return loads(data)
    except (binascii.Error, ValueError) as error:
        raise TokenRefused("malformed") from error


def loads(data: bytes) -> dict[str, Any]:
    """Read one JSON object; raises ValueError where it is none, a name stands twice, a number is none, or it is too deep."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError("a name stands twice")
        return dict(pairs)

    def no_number(text: str) -> NoReturn:
        raise ValueError(f"{text} is no number")

    try:
        value = json.loads(data, object_pairs_hook=once, parse_constant=no_number)
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 – it is the text that is wrong
    return value


def _strong(key: Mapping[str, Any]) -> bool:
    try:
        size = int.from_bytes(base64.urlsafe_b64decode(str(key["n"]) + "=="), "big").bit_length()
        exponent = int.from_bytes(base64.urlsafe_b64decode(str(key["e"]) + "=="), "big")
    except (binascii.Error, ValueError, KeyError):
        return False
    return RSA_BITS[0] <= size <= RSA_BITS[1] and 3 <= exponent < 2**32 and exponent % 2 == 1


class _Pinned(jws.JWSRegistry):
    """One algorithm and no other. The name EdDSA is used without a warning: providers still sign with it (RFC 9864 has new ones)."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=[algorithm], strict_check_header=False)
        self._algorithm = algorithm

    def get_alg(self, name: str) -> Any:
        if name != self._algorithm:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]
