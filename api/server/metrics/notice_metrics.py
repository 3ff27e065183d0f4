"""Metrics of notices."""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from api.server.metrics import metric_table as table
from api.server.metrics.families import single


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
        yield single(table.NOTICES_WAITING, status.waiting)
        yield single(table.NOTICE_WAITING, status.oldest_age_s)
        yield single(table.NOTICES_GIVEN_UP, status.abandoned)
        yield single(table.NOTICE_FAILURES, status.failures)
