"""Settings: read from the environment, checked, and wrong ones named with the fix."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from interlock.domain.errors import ConfigurationError
from interlock.infra.settings import PREFIX, Settings, describe, load

UNITS = (
    "_s",
    "_s_max",
    "_max",
    "_bytes_max",
    "_chars_max",
    "_usd_per_hour",
    "_size",
    "_processes",
    "_concurrency",
    "_port",
)


def refused(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(environ)
    return str(caught.value)


def test_defaults_are_safe_and_complete() -> None:
    settings = load({})
    assert settings.host == "127.0.0.1"
    assert settings.outgoing_allow == ()
    assert settings.data_dir == Path(".data").absolute()
    assert settings.objects_url == settings.data_dir.joinpath("objects").as_uri()
    assert settings.automations_dir.name in ("automations", "_automations")


def test_values_come_from_the_environment_and_arguments_win() -> None:
    environ = {"INTERLOCK_PORT": "8080", "INTERLOCK_LEASE_S": "20", "INTERLOCK_LOG_JSON": "no", "HOME": "/x"}
    settings = load(environ, port=9090, data_dir=None)
    assert (settings.port, settings.lease_s, settings.log_json) == (9090, 20.0, False)


def test_an_empty_variable_counts_as_unset() -> None:
    assert load({"INTERLOCK_DATABASE_URL": "", "INTERLOCK_PORT": ""}) == load({})


def test_lists_are_separated_by_commas() -> None:
    settings = load({"INTERLOCK_OUTGOING_ALLOW": "hooks.internal, 10.0.0.0/8,,", "INTERLOCK_WATCH_DIRS": "expenses=in"})
    assert settings.outgoing_allow == ("hooks.internal", "10.0.0.0/8")
    assert settings.watched == (("expenses", Path("in").absolute()),)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"INTERLOCK_LEASE_S": "soon"},
            r"INTERLOCK_LEASE_S='soon' is not valid: .*number.* Set it to a number \(≥ 0\.5",
        ),
        ({"INTERLOCK_PORT": "70000"}, r"INTERLOCK_PORT='70000' .*65535"),
        ({"INTERLOCK_POLL_S": "nan"}, r"INTERLOCK_POLL_S='nan' .*finite"),
        ({"INTERLOCK_LOG_LEVEL": "loud"}, r"INTERLOCK_LOG_LEVEL='loud' .*`debug` or `info`"),
        ({"INTERLOCK_REVIEW_HOLD_S_MAX": "31"}, r"INTERLOCK_REVIEW_HOLD_S_MAX='31' .*30"),
        ({"INTERLOCK_OBJECT_STORE_URL": "ftp://x"}, r"INTERLOCK_OBJECT_STORE_URL is not valid: .*s3://"),
        ({"INTERLOCK_OUTGOING_ALLOW": "10.0.0.1/8"}, r"INTERLOCK_OUTGOING_ALLOW=.*host bits"),
        ({"INTERLOCK_OUTGOING_ALLOW": "https://x"}, r"INTERLOCK_OUTGOING_ALLOW=.*neither a host name nor a network"),
        ({"INTERLOCK_WATCH_DIRS": "/srv/receipts"}, r"INTERLOCK_WATCH_DIRS=.*automation=path"),
        ({"INTERLOCK_API_URL": "127.0.0.1:80"}, r"INTERLOCK_API_URL=.*http://"),
        (
            {"INTERLOCK_LEASE_S": "4"},
            r"INTERLOCK_LEASE_RENEW_S \(3\.0\) must be at most half of INTERLOCK_LEASE_S \(4\.0\)",
        ),
        ({"INTERLOCK_OUTCOME_BYTES_MAX": "2000"}, r"INTERLOCK_INLINE_OUTCOME_BYTES_MAX must not be over"),
        ({"INTERLOCK_CALLBACK_BACKOFF_MAX_S": "0.5"}, r"INTERLOCK_CALLBACK_BACKOFF_INITIAL_S must not be over"),
    ],
)
def test_a_wrong_value_is_named_with_the_fix(environ: dict[str, str], said: str) -> None:
    assert re.search(said, refused(environ))


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    said = refused({"INTERLOCK_WORKER_CONCURENCY": "8"})
    assert "INTERLOCK_WORKER_CONCURENCY is not a setting. Did you mean INTERLOCK_WORKER_CONCURRENCY?" in said
    assert "Did you mean" not in refused({"INTERLOCK_ZZZZZZ": "1"})


def test_secrets_are_in_no_message_and_no_repr() -> None:
    assert "hunter2" not in refused({"INTERLOCK_DATABASE_URL": "mysql://me:hunter2@host/db"})
    with pytest.raises(ValidationError) as caught:
        Settings(database_url="mysql://me:hunter2@host/db")
    assert "hunter2" not in str(caught.value)
    settings = load({"INTERLOCK_DATABASE_URL": "postgresql://me:hunter2@host/db", "INTERLOCK_API_KEY": "il_hunter2"})
    assert "hunter2" not in repr(settings)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load({}).port = 1  # type: ignore[misc]


@given(
    st.fixed_dictionaries(
        {
            "port": st.integers(0, 65535),
            "lease_s": st.floats(6.0, 600.0),
            "log_json": st.booleans(),
            "database_url": st.none() | st.just("postgresql://a:b%40c@h:5/d?x=1"),
            "outgoing_allow": st.lists(st.sampled_from(["a.internal", "10.0.0.0/8", "fd00::/8"]), max_size=3).map(
                tuple
            ),
        }
    )
)
def test_a_child_process_gets_the_same_settings(values: dict[str, object]) -> None:
    settings = load({}, **values)
    assert load(settings.to_environ()) == settings


def test_every_setting_is_described() -> None:
    docs = describe()
    assert [doc.name for doc in docs] == list(Settings.model_fields)
    for doc in docs:
        assert doc.description.endswith("."), f"{doc.name} needs a description that is a sentence"
        assert doc.section, doc.name
        assert doc.environment_name == PREFIX + doc.name.upper()


def test_every_number_has_bounds_and_a_unit() -> None:
    for doc in describe():
        if doc.type in ("a number", "a whole number"):
            assert doc.bounds, f"{doc.name} needs bounds: a limit on everything"
            assert "≤" in doc.bounds, f"{doc.name} needs an upper bound"
            assert doc.name == "port" or doc.name.endswith(UNITS), f"{doc.name} needs its unit last"
