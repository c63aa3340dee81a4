"""Tokens that others signed: what is read, whose key is taken, and what is believed of a token whose signature is right."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk, jws

from interlock.governance import signed_tokens
from interlock.governance.identity_providers import GroupRoles, IdentityProvider, account_id, granted
from interlock.governance.provider_metadata import is_issuer, is_safe
from interlock.governance.signed_tokens import TokenRefused, choose, import_keys, split, verify

KEY = jwk.generate_key("EC", "P-256", {"kid": "one"})
OTHER = jwk.generate_key("EC", "P-256", {"kid": "two"})
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def token(claims: dict[str, Any]) -> str:
    return jws.serialize_compact({"alg": "ES256", "kid": "one"}, json.dumps(claims), KEY)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_one_changed_character_is_found_wherever_it_stands() -> None:
    made = token({"sub": "mei", "aud": "x"})
    verify(split(made), KEY, "ES256")
    for place, character in enumerate(made):
        if character == ".":
            continue
        # Another first bit: the last characters of base64 have bits that count for nothing.
        changed = made[:place] + ("A" if character not in "AQgw" else "Z") + made[place + 1 :]
        if _same_bytes(changed, made):
            continue
        with pytest.raises(TokenRefused):
            verify(split(changed), KEY, "ES256")


def _same_bytes(one: str, two: str) -> bool:
    decoded = [[base64.urlsafe_b64decode(part + "==") for part in text.split(".")] for text in (one, two)]
    return decoded[0] == decoded[1] and one.split(".")[:2] == two.split(".")[:2]


@given(st.text(max_size=200) | st.text(alphabet="aeyJ.-_=", max_size=200))
def test_whatever_is_sent_is_read_or_refused(text: str) -> None:
    try:  # any other error would be a crash
        found = split(text)
    except TokenRefused:
        return
    assert text.count(".") == 2
    assert isinstance(found.claims, dict)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", "ES384", "es256", ""])
def test_the_algorithm_is_the_one_that_is_set(algorithm: str) -> None:
    header, claims, signature = token({"sub": "mei"}).split(".")
    changed = b64(json.dumps({"alg": algorithm, "kid": "one"}).encode())
    with pytest.raises(TokenRefused, match="algorithm"):
        verify(split(f"{changed}.{claims}.{signature}"), KEY, "ES256")
    with pytest.raises(TokenRefused, match="algorithm"):
        verify(split(f"{header}.{claims}.{signature}"), KEY, "RS256")


def test_only_keys_that_fit_are_taken() -> None:
    strong = jwk.generate_key("RSA", 2048, {"kid": "strong"})
    weak = {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": b64(b"\xff" * 128)}
    shown: list[dict[str, Any]] = [dict(KEY.as_dict(private=False)), weak, dict(strong.as_dict(private=False))]
    assert set(import_keys({"keys": shown}, "ES256")) == {"one"}
    assert set(import_keys({"keys": shown}, "RS256")) == {"strong"}
    assert import_keys({"keys": shown}, "EdDSA") == {}
    for change in (
        {"use": "enc"}, {"alg": "RS512"}, {"kty": "oct", "k": "AAAA"}, {"e": "AQ"}, {"e": "Ag"}, {"n": "AAAA"}, {"n": 7}, {"kid": 7},
        {"n": b64(bytes(128) + b"\xff" * 128)},
        {"n": b64(b"\xff" * 2_000)}, {"e": b64(b"\xff" * 200)},
    ):  # fmt: skip
        assert import_keys({"keys": [{**shown[2], **change}]}, "RS256") == {}, change
    assert (
        import_keys({"keys": [strong.as_dict(private=True), 7, None, {}]}, "RS256") == {}
    )  # a private key that was published is no key
    documents: list[dict[str, Any]] = [{}, {"keys": {}}, {"keys": [{}] * 51}]
    for document in documents:
        with pytest.raises(TokenRefused, match="keys"):
            import_keys(document, "RS256")


def test_a_token_without_a_kid_may_have_the_only_key() -> None:
    assert choose({"one": KEY}, None) is KEY
    assert choose({None: KEY}, None) is KEY
    assert choose({"one": KEY, "two": OTHER}, None) is None
    assert choose({"one": KEY}, "two") is None
    assert choose({None: KEY}, "one") is None


@pytest.mark.parametrize("seconds", [-61, -59, 59, 61])
def test_clocks_may_differ_by_a_minute(seconds: int) -> None:
    at = int(NOW.timestamp()) + seconds
    claims = {"iss": "i", "aud": "a", "sub": "s"}

    def check(**times: int) -> None:
        signed_tokens.check_access_token(split(token({**claims, **times})), issuer="i", audience="a", now=NOW)

    def refused(**times: int) -> bool:
        try:
            check(**times)
        except TokenRefused:
            return True
        return False

    later = int(NOW.timestamp()) + 300
    assert refused(exp=at) == (seconds < -60)
    assert refused(exp=later, nbf=at) == (seconds > 60)
    assert refused(exp=later, iat=at) == (seconds > 60)


def provider(**given_: Any) -> IdentityProvider:
    groups = (
        GroupRoles(display="finance", roles=("reviewer",)),
        GroupRoles(display="x", value="id-1", roles=("author",)),
    )
    fields: dict[str, Any] = {
        "name": "company", "issuer": "https://i.example", "client_id": "c", "algorithm": "ES256", "audience": None, "scopes": (),
        "groups_claim": "groups", "user_claim": "sub", "required_claims": {}, "groups": groups,
    }  # fmt: skip
    return IdentityProvider(**{**fields, **given_})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_claim_but_a_group_that_is_named_gives_a_role(value: Any) -> None:
    found = granted(provider(), {"sub": "s", "groups": value})
    named = isinstance(value, list) and any(
        g in ("finance", "id-1")
        or (isinstance(g, dict) and (g.get("display") == "finance" or g.get("value") == "id-1"))
        for g in value
    )
    assert (found is not None) == named


def test_a_group_with_an_id_is_not_known_by_its_name() -> None:
    assert granted(provider(), {"groups": ["x"]}) is None
    assert granted(provider(), {"groups": [{"display": "x", "value": "id-2"}]}) is None
    found = granted(provider(), {"groups": [{"value": "id-1"}, "finance"]})
    assert found is not None
    assert found.roles == ("author", "reviewer")


@pytest.mark.parametrize("subject", ["auth0|5f", "a b", "x" * 65, "é", "../x", "-x"])
def test_a_subject_that_is_no_name_gets_one_that_is(subject: str) -> None:
    assert account_id(provider(), "user", {"sub": subject}, "0" * 32) == f"user:company.{'0' * 32}"
    assert account_id(provider(), "service", {"sub": "robot"}, "") == "service:company.robot"


@pytest.mark.parametrize(
    ("url", "safe", "issuer"),
    [
        ("https://login.example.com", True, True), ("https://login.example.com/t/v2.0", True, True),
        ("https://login.example.com/?a=b", True, False), ("http://127.0.0.1:9", True, True), ("http://[::1]:9", True, True),
        ("http://localhost", True, True), ("http://login.example.com", False, False), ("http://127.0.0.1.evil.example", False, False),
        ("https://a:b@login.example.com", False, False), ("https://login.example.com/#x", False, False), ("javascript:x", False, False),
        ("file:///etc/passwd", False, False), ("https://", False, False), ("", False, False), ("https://é.example", False, False),
        ("https://x/" + "a" * 1_100, False, False),
    ],
)  # fmt: skip
def test_which_urls_may_be_a_providers(url: str, safe: bool, issuer: bool) -> None:
    assert (is_safe(url), is_issuer(url)) == (safe, issuer)
