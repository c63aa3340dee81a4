"""The extra `pii`: names and places in running text, by a model that calls nobody. Skipped where it is not installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket

from interlock.domain.errors import ConfigurationError
from interlock.governance.redaction import detect, trained
from interlock.governance.redaction.detect import Detector

pytestmark = pytest.mark.xdist_group("redaction")
TEXT = "Grace Hopper flew from Paris to Berlin to meet Ada Lovelace's publisher; write to grace@example.org."


@pytest.fixture(scope="module")
def detector() -> Iterator[Detector]:
    if not trained.installed():
        pytest.skip("the extra pii is not installed")
    disable_socket(allow_unix_socket=True)
    yield detect.detector("trained")
    enable_socket()


def test_names_and_places_are_found_without_the_network(detector: Detector) -> None:
    found = {(f.type, TEXT[f.start : f.end]) for f in detector.find(TEXT)}
    assert found >= {
        ("PERSON", "Grace Hopper"), ("PERSON", "Ada Lovelace"), ("LOCATION", "Paris"), ("LOCATION", "Berlin"), ("EMAIL_ADDRESS", "grace@example.org"),
    }  # fmt: skip


def test_the_model_adds_and_takes_nothing_away(detector: Detector) -> None:
    """Whatever rules alone cover stays covered."""
    alone = {place for f in detect.rules().find(TEXT) for place in range(f.start, f.end)}
    assert alone <= {place for f in detector.find(TEXT) for place in range(f.start, f.end)}


def test_each_detector_says_what_it_covers(detector: Detector) -> None:
    assert set(detect.rules().covers) < set(detector.covers)
    assert "LOCATION" in detector.covers


def test_without_the_extra_a_setting_that_needs_it_says_how_to_get_it() -> None:
    if trained.installed():
        assert detect.detector("auto").covers != detect.rules().covers
        return
    with pytest.raises(ConfigurationError, match="extra `pii`"):
        detect.detector("trained")
