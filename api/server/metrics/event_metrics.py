"""Metrics of the receivers of events."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from api.events.event_job import ReceiverFigures
from api.server.metrics import metric_table as table
from api.server.metrics.families import family_of


class Sending(Protocol):
    """The delivery of events, as metrics read it."""

    def figures(self) -> Sequence[ReceiverFigures]: ...


class EventsCollector(Collector):
    """How receivers of events do, read when scraped. A receiver counts from the first attempt to serve it."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending

    def collect(self) -> Iterator[Metric]:
        """Yield a family with both states, and two with a series per receiver."""
        found = self._sending.figures()
        failing = sum(one.is_failing for one in found)
        counts = ((table.RECEIVES, len(found) - failing), (table.FAILS, failing))
        yield family_of(table.EVENT_RECEIVERS, [((state,), count) for state, count in counts])
        yield family_of(table.EVENT_WAITING, [((one.name,), one.waiting_s) for one in found])
        yield family_of(table.EVENTS_PARKED, [((one.name,), one.parked) for one in found])
