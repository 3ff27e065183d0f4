"""What the objects of the table say."""

from ipaddress import ip_address
from typing import Any

from dnsfilter.firewall.egress_listing import NetworkStatus, admitted_in, statuses

OBJECTS: list[dict[str, Any]] = [
    {"metainfo": {"version": "1.1.3"}},
    {"table": {"family": "inet", "name": "dnsfilter_egress"}},
    {"counter": {"name": "office_others", "packets": 3, "bytes": 180}},
    {"counter": {"name": "guests_others", "packets": 0, "bytes": 0}},
    {"set": {"name": "admitted4", "elem": [{"prefix": {"addr": "10.0.0.0", "len": 8}}]}},
    {
        "set": {
            "name": "office_answered4",
            "elem": [{"elem": {"val": "192.0.2.1", "timeout": 60, "expires": 42}}, "192.0.2.9"],
        }
    },
    {"set": {"name": "office_answered6"}},
]


def test_open_addresses_are_read_with_their_seconds() -> None:
    assert admitted_in(OBJECTS) == {("office", ip_address("192.0.2.1")): 42}


def test_each_network_has_a_status() -> None:
    assert statuses(OBJECTS) == [
        NetworkStatus("guests", {}, 0, 0),
        NetworkStatus("office", {ip_address("192.0.2.1"): 42}, 3, 180),
    ]


def test_a_status_is_shown_to_people_and_programs() -> None:
    _, office = statuses(OBJECTS)
    assert office.text() == "office: 3 packets to addresses that were not answered, 1 open\n  192.0.2.1 for 42 s\n"
    addresses = [{"address": "192.0.2.1", "seconds": 42}]
    assert office.value() == {"network": "office", "packets": 3, "bytes": 180, "addresses": addresses}
