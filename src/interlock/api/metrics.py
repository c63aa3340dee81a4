"""Metrics of the caller's tenant, as Prometheus and OpenMetrics read them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from interlock.api.auth import CallerDep
from interlock.api.parameters import KnownParametersRoute
from interlock.api.problems import responses
from interlock.governance import ask
from interlock.orchestration.metrics import EFFECT_BOUNDS_S, TASK_BOUNDS_S, Figure

router = APIRouter(prefix="/v1/metrics", tags=["system"], route_class=KnownParametersRoute)

_COUNTERS: Final[tuple[tuple[str, str, str, tuple[str, ...], str], ...]] = (
    ("tasks", "interlock_tasks", "Tasks that came into a state.", ("automation", "state"), ""),
    ("effects", "interlock_effects", "Effects that were recorded.", ("automation", "kind", "outcome"), ""),
    ("decisions", "interlock_policy_decisions", "What policies answered to effects.", ("automation", "answer"), ""),
    ("cost", "interlock_cost_usd", "Measured processor time at the settings' price.", ("automation",), "usd"),
    ("refused", "interlock_refused_requests", "Refusals on record, by what was refused.", ("what",), ""),
)
_GAUGES: Final[tuple[tuple[str, str, str, tuple[str, ...]], ...]] = (
    ("open_tasks", "interlock_open_tasks", "Tasks that have not ended.", ("automation", "state")),
    ("reviews_open", "interlock_reviews_open", "Reviews that wait for an answer.", ("automation",)),
    ("reviews_overdue", "interlock_reviews_overdue", "Open reviews whose deadline has passed.", ("automation",)),
    ("elevations", "interlock_elevations", "Emergency elevations that are open, or not reviewed yet.", ("state",)),
    ("deliveries", "interlock_callbacks", "Callbacks that are pending, or dead letters.", ("state",)),
    ("pending_events", "interlock_outbox_pending_events", "Events that have no position yet.", ()),
    ("pending_records", "interlock_audit_pending_records", "Audit records that have no position yet.", ()),
    ("uncounted_records", "interlock_metrics_uncounted_records", "Audit records that the counters miss yet.", ()),
)  # fmt: skip
_HISTOGRAMS: Final = (
    ("task_s", "interlock_task_duration_seconds", "From acceptance to end.", "automation", TASK_BOUNDS_S),
    ("effect_s", "interlock_effect_duration_seconds", "How long an effect took.", "kind", EFFECT_BOUNDS_S),
)


class _Exposed(Collector):
    """One tenant's figures for one answer."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self._by_name: dict[str, list[Figure]] = defaultdict(list)
        for figure in figures:
            self._by_name[figure.name].append(figure)

    def collect(self) -> Iterator[Metric]:
        for key, name, text, labels, unit in _COUNTERS:
            counter = CounterMetricFamily(name, text, labels=labels, unit=unit)
            for figure in self._by_name[key]:
                counter.add_metric(figure.labels, figure.value)
            yield counter
        for key, name, text, labels in _GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=labels)
            for figure in self._by_name[key]:
                gauge.add_metric(figure.labels, figure.value)
            yield gauge
        for key, name, text, label, bounds in _HISTOGRAMS:
            yield self._histogram(key, name, text, label, bounds)

    def _histogram(self, key: str, name: str, text: str, label: str, bounds: Sequence[float]) -> Metric:
        family = HistogramMetricFamily(name, text, labels=(label,), unit="seconds")
        counts: dict[str, dict[float, float]] = defaultdict(dict)
        for figure in self._by_name[f"{key}_bucket"]:
            counts[figure.labels[0]][float(figure.labels[1])] = figure.value
        for figure in self._by_name[f"{key}_sum"]:
            found, total, buckets = counts[figure.labels[0]], 0.0, []
            for bound in (*bounds, float("inf")):
                total += found.get(bound, 0.0)
                buckets.append(("+Inf" if bound == float("inf") else str(bound), total))
            family.add_metric(figure.labels, buckets, figure.value)
        return family


class _Text(Response):
    media_type = "text/plain"


@router.get(
    "",
    operation_id="get_metrics",
    response_class=_Text,
    responses={
        **responses(),
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The figures."},
    },
    summary="Get metrics",
)
async def get_metrics(caller: CallerDep, accept: Annotated[str, Header(max_length=1_000)] = "") -> Response:
    """Give the tenant's own figures in the text format of Prometheus, or as OpenMetrics where that is accepted.

    Counters are counted from the audit log, a moment behind it; what they miss yet is a figure too. Gauges count to 100,000.
    """
    caller.require("metrics.read", ask.system(caller.tenant))
    figures = await caller.app.metrics.figures(caller.tenant)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Exposed(figures))
    encode, content_type = choose_encoder(accept)
    return Response(encode(registry), media_type=None, headers={"content-type": content_type})
