"""Metrics show what each enrolled node reported last."""

from tests.unit.api.conftest import Plane
from tests.unit.api.nodes.conftest import Machine


def test_each_enrolled_node_has_its_revision_and_the_age_of_its_report(town: Plane) -> None:
    def values(name: str) -> list[float | None]:
        labels = {"node": name, "site": "default"}
        metrics = ("dnsfilter_api_node_revision", "dnsfilter_api_node_report_age_seconds")
        return [town.registry.get_sample_value(metric, labels) for metric in metrics]

    def is_in(state: str) -> bool:
        labels = {"node": "office-1", "site": "default", "state": state}
        return town.registry.get_sample_value("dnsfilter_api_node_state", labels) == 1

    machine = Machine.enrolled(town, "office-1")
    assert values("office-1") == [None, None]
    assert is_in("waiting")
    machine.report(revision=town.revision())
    assert is_in("current")
    assert not is_in("waiting")
    town.clock.now += 70
    assert is_in("silent")
    assert values("office-1") == [town.revision(), 70]
    town.done("DELETE", "/v1/nodes/office-1")
    assert values("office-1") == [None, None]
