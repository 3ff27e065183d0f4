"""Metrics of notices."""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError


class NoticesStatus(Protocol):
    """The status of sending, as metrics read it."""

    @property
    def waiting(self) -> int: ...
    @property
    def oldest_age_s(self) -> int: ...
    @property
    def abandoned(self) -> int: ...
    @property
    def failures(self) -> int: ...


class Notifying(Protocol):
    """The notifier, as metrics read it."""

    def status(self) -> NoticesStatus: ...


class NoticesCollector(Collector):
    """Waiting and failed notices, read when scraped. There is no series while the database cannot be read."""

    def __init__(self, notifying: Notifying) -> None:
        self._notifying = notifying

    def collect(self) -> Iterator[Metric]:
        """Yield four families, each with one series."""
        try:
            status = self._notifying.status()
        except SQLAlchemyError:
            return
        yield GaugeMetricFamily("dnsfilter_api_notices_waiting", "Notices that are not sent yet.", status.waiting)
        help_text = "Waiting time of the oldest notice that is not sent yet."
        yield GaugeMetricFamily("dnsfilter_api_notice_waiting_seconds", help_text, status.oldest_age_s)
        help_text = "Notices that were abandoned: refused, tried for three days, or without an address."
        yield GaugeMetricFamily("dnsfilter_api_notices_given_up", help_text, status.abandoned)
        yield CounterMetricFamily("dnsfilter_api_notice_failures", "Failed attempts to send a notice.", status.failures)
