"""Counts and times for Prometheus. Labels are codes, grades, routes and names from the settings; none is a client's."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kneeoa.model.grades import JSON, ReleaseFacts
from kneeoa.model.radiograph import Side
from kneeoa.serving.grading import FilmGrading, GradingError
from kneeoa.serving.store.deliveries import DeliveryCount
from kneeoa.serving.store.tables import DeliveryState
from kneeoa.serving.workers.pool import PoolState

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)


class Waiting(Protocol):
    """What the gauges are read from: `service.QueueState`."""

    @property
    def depth(self) -> int:
        """Films that wait."""

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest has waited."""

    @property
    def dead_letters(self) -> int:
        """Films whose work failed for good."""


class Metrics:
    """All metrics of one service.

    Args:
        release: which networks grade.
    """

    def __init__(self, release: ReleaseFacts) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "kneeoa_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self._request_seconds = Histogram(
            "kneeoa_request_seconds", "From first to last byte.", ("route",), registry=self.registry, buckets=_SECONDS
        )
        self._films = Counter(
            "kneeoa_films",
            "Films by what became of them: graded, or a reason code.",
            ("outcome",),
            registry=self.registry,
        )
        self._film_seconds = Histogram(
            "kneeoa_film_seconds", "Waiting for a worker and grading.", registry=self.registry, buckets=_SECONDS
        )
        self._knees = Counter(
            "kneeoa_knees", "Knees by KL grade, or by reason code.", ("outcome",), registry=self.registry
        )
        self._oa = Histogram(
            "kneeoa_oa_probability",
            "Probability of radiographic osteoarthritis of graded knees.",
            registry=self.registry,
            buckets=tuple(n / 10 for n in range(1, 11)),
        )
        self._received = Counter(
            "kneeoa_received", "Films taken in, by what became of them.", ("state",), registry=self.registry
        )
        self._routed = Counter(
            "kneeoa_routed", "Films by the rule that decided, and what.", ("rule", "decision"), registry=self.registry
        )
        self._polls = Counter(
            "kneeoa_pull_polls", "Polls of archives by outcome.", ("archive", "outcome"), registry=self.registry
        )
        self._pulled = Counter(
            "kneeoa_pull_instances",
            "Instances fetched, by what came of it.",
            ("archive", "state"),
            registry=self.registry,
        )
        self._failing = Gauge(
            "kneeoa_pull_failures", "Polls that failed since one succeeded.", ("archive",), registry=self.registry
        )
        info = Gauge(
            "kneeoa_release_info", "Which networks grade.", ("name", "sha256", "software"), registry=self.registry
        )
        info.labels(release.name, release.sha256, release.software).set(1)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts an answered request."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def received(self, state: str) -> None:
        """Counts a film that was taken in, or was not."""
        self._received.labels(state).inc()

    def routed(self, rule: str, decision: str) -> None:
        """Counts what a rule decided of a film."""
        self._routed.labels(rule, decision).inc()

    def polled(self, archive: str, outcome: str, failures: int) -> None:
        """Counts a poll, and how many have failed in a row."""
        self._polls.labels(archive, outcome).inc()
        self._failing.labels(archive).set(failures)

    def pulled(self, archive: str, state: str, count: int) -> None:
        """Counts instances that a poll has fetched, or has not."""
        self._pulled.labels(archive, state).inc(count)

    def failed(self, reason: str) -> None:
        """Counts a film without a report."""
        self._films.labels(reason).inc()

    def graded(self, report: dict[str, JSON], seconds: float) -> None:
        """Counts a film and its knees."""
        self._film_seconds.observe(seconds)
        self._films.labels(_code(report) or "graded").inc()
        knees = report["knees"]
        for knee in knees if isinstance(knees, list) else ():
            kl = knee.get("kl") if isinstance(knee, dict) else None
            if isinstance(kl, dict):
                self._knees.labels(f"KL{kl['grade']}").inc()
                self._oa.observe(float(str(kl["oa_probability"])))
            elif isinstance(knee, dict):
                self._knees.labels(_code(knee) or "none").inc()

    def page(self, waiting: Waiting, workers: PoolState, deliveries: Sequence[DeliveryCount] = ()) -> bytes:
        """All metrics in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(_Now(waiting, workers))
        registry.register(_Deliveries(deliveries))
        return generate_latest(self.registry) + generate_latest(registry)


class _Now(Collector):
    """What is read at the moment of asking."""

    def __init__(self, waiting: Waiting, workers: PoolState) -> None:
        self._waiting, self._workers = waiting, workers

    def collect(self) -> Iterator[Metric]:
        gauges = {
            "kneeoa_queue_films": ("Films that wait or are worked on.", self._waiting.depth),
            "kneeoa_queue_oldest_seconds": ("How long the oldest has waited.", self._waiting.oldest_seconds),
            "kneeoa_dead_letters": ("Films whose work or delivery failed for good.", self._waiting.dead_letters),
            "kneeoa_workers_alive": ("Worker processes that are up.", self._workers.alive),
            "kneeoa_workers_waited_for": ("Films that wait for a worker.", self._workers.waiting),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(name, text, value=value)
        text = "Workers that died, or were ended, for a film."
        yield CounterMetricFamily("kneeoa_workers_replaced", text, value=self._workers.replaced)


class _Deliveries(Collector):
    """How far results have come, at the moment of asking. Destinations are named by the settings."""

    def __init__(self, counts: Sequence[DeliveryCount]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        labels = ("destination", "state")
        objects = GaugeMetricFamily(
            "kneeoa_deliveries", "Objects by how far they have come, and no further.", labels=labels
        )
        oldest = GaugeMetricFamily(
            "kneeoa_deliveries_oldest_seconds", "How long the oldest is on its way.", labels=("destination",)
        )
        for count in self._counts:
            for state in DeliveryState:
                objects.add_metric((count.destination, state.value), count.states.get(state.value, 0))
            age = 0.0 if count.oldest is None else max(0.0, time.time() - count.oldest)
            oldest.add_metric((count.destination,), age)
        yield objects
        yield oldest


class MeasuredGrading:
    """`FilmGrading` that counts.

    Args:
        grading: which grades.
        metrics: where it is counted.
    """

    def __init__(self, grading: FilmGrading, metrics: Metrics) -> None:
        self._grading, self._metrics = grading, metrics

    @property
    def release(self) -> ReleaseFacts:
        """Which networks grade, and with which software."""
        return self._grading.release

    def grade(self, path: Path, side: Side | None = None, spacing_mm: float | None = None) -> dict[str, JSON]:
        """See `FilmGrading.grade`."""
        began = time.perf_counter()
        try:
            report = self._grading.grade(path, side, spacing_mm)
        except GradingError as error:
            self._metrics.failed(error.reason)
            raise
        self._metrics.graded(report, time.perf_counter() - began)
        return report

    def close(self) -> None:
        """Ends whatever was started for grading."""
        self._grading.close()


def _code(of: dict[str, JSON]) -> str | None:
    refusal = of.get("refusal")
    return str(refusal["code"]) if isinstance(refusal, dict) else None
