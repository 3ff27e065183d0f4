"""Metrics of notices."""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError


class NoticesStatus(Protocol):
    """What is read of how sending goes."""

    @property
    def waiting(self) -> int: ...
    @property
    def oldest_age_s(self) -> int: ...
    @property
    def given_up(self) -> int: ...
    @property
    def failures(self) -> int: ...


class Notifying(Protocol):
    """What is read from whoever sends notices."""

    def status(self) -> NoticesStatus: ...


class NoticesCollector(Collector):
    """Notices that wait and that failed, read when scraped; nothing while the database cannot be read."""

    def __init__(self, notifying: Notifying) -> None:
        self._notifying = notifying

    def collect(self) -> Iterator[Metric]:
        """Four families, each a single series."""
        try:
            status = self._notifying.status()
        except SQLAlchemyError:
            return
        yield GaugeMetricFamily("dnsfilter_api_notices_waiting", "Notices that are not sent yet.", status.waiting)
        help_text = "How long the oldest notice that is not sent yet has waited."
        yield GaugeMetricFamily("dnsfilter_api_notice_waiting_seconds", help_text, status.oldest_age_s)
        help_text = "Notices that were given up: refused, tried for three days, or without an address."
        yield GaugeMetricFamily("dnsfilter_api_notices_given_up", help_text, status.given_up)
        yield CounterMetricFamily(
            "dnsfilter_api_notice_failures", "Tries to send a notice that failed.", status.failures
        )
