"""Metrics of the receivers of events."""

from prometheus_client import CollectorRegistry, generate_latest

from api.events.event_job import ReceiverFigures
from api.server.metrics.event_metrics import EventsCollector


class _Sending:
    def figures(self) -> list[ReceiverFigures]:
        return [ReceiverFigures("file", False, 0), ReceiverFigures("webhook/3", True, 940, 2)]


def test_receivers_are_counted_by_state_and_each_has_its_waiting_time() -> None:
    registry = CollectorRegistry()
    registry.register(EventsCollector(_Sending()))
    samples = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    assert samples == [
        'dnsfilter_api_event_receivers{state="receives"} 1.0',
        'dnsfilter_api_event_receivers{state="fails"} 1.0',
        'dnsfilter_api_event_waiting_seconds{receiver="file"} 0.0',
        'dnsfilter_api_event_waiting_seconds{receiver="webhook/3"} 940.0',
        'dnsfilter_api_events_parked_total{receiver="file"} 0.0',
        'dnsfilter_api_events_parked_total{receiver="webhook/3"} 2.0',
    ]
