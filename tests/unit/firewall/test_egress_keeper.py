"""The keeper of open addresses: what it opens, for how long, and what it does about failures."""

import logging
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from dnsfilter.config.node_config import Egress, EgressNetwork
from dnsfilter.errors import UnavailableError
from dnsfilter.firewall import egress_keeper
from dnsfilter.firewall.egress_keeper import CHECK_S, EgressKeeper
from dnsfilter.firewall.egress_rules import LONGEST_OPEN_S, REMOVAL
from dnsfilter.worker.egress import AnsweredTo

NETWORKS = (EgressNetwork("office", (ip_network("10.1.0.0/16"),)), EgressNetwork("lab", (ip_network("10.2.0.0/16"),)))
EGRESS = Egress(grace_s=10, networks=NETWORKS)
ADDRESS = ip_address("192.0.2.1").packed


class FakeNftables:
    """A firewall that remembers its texts and fails on demand."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.objects: list[dict[str, Any]] | None = None
        self.failure = ""

    def apply(self, text: str) -> None:
        if self.failure:
            raise UnavailableError(self.failure)
        self.texts.append(text)
        self.objects = self.objects or []

    def has(self, table: str) -> bool:
        return self.listed(table) is not None

    def listed(self, table: str) -> list[dict[str, Any]] | None:
        assert table == "inet dnsfilter_egress"
        return self.objects


class Gateway:
    """A keeper and its firewall, on a clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.nftables = FakeNftables()
        self.keeper = EgressKeeper(EGRESS, self.nftables, lambda: self.now_s)

    def answered(self, client: str, ttl_s: int, address: bytes = ADDRESS) -> str:
        """Report an answer. Return what the firewall got for it."""
        before = len(self.nftables.texts)
        self.keeper.take([AnsweredTo(ip_address(client).packed, {address: ttl_s})])
        return "".join(self.nftables.texts[before:])


@pytest.fixture
def gateway() -> Gateway:
    made = Gateway()
    made.keeper.start()
    return made


def test_an_address_opens_for_its_ttl_and_the_grace_in_the_network_of_the_client(gateway: Gateway) -> None:
    text = gateway.answered("10.2.0.9", 60)
    assert "add element inet dnsfilter_egress lab_answered4 { 192.0.2.1 timeout 70s }" in text
    assert gateway.answered("10.3.0.9", 60) == ""


def test_a_cached_answer_renews_nothing_and_a_new_one_does(gateway: Gateway) -> None:
    gateway.answered("10.1.0.9", 60)
    gateway.now_s += 20
    assert gateway.answered("10.1.0.8", 40) == ""
    assert "timeout 70s" in gateway.answered("10.1.0.8", 60)


def test_a_long_ttl_ends_after_a_day(gateway: Gateway) -> None:
    assert f"timeout {LONGEST_OPEN_S + 10}s" in gateway.answered("10.1.0.9", 2**31)


def test_open_addresses_of_the_table_before_stay_open() -> None:
    made = Gateway()
    element = {"elem": {"val": "192.0.2.7", "expires": 30}}
    made.nftables.objects = [{"set": {"name": f"{name}_answered4", "elem": [element]}} for name in ("office", "old")]
    made.keeper.start()
    assert "office_answered4 { 192.0.2.7 timeout 30s }" in made.nftables.texts[-1]
    assert "old" not in made.nftables.texts[-1]


def test_a_removed_table_is_restored_with_what_is_still_open(gateway: Gateway) -> None:
    gateway.answered("10.1.0.9", 60)
    gateway.answered("10.1.0.9", 1, ip_address("192.0.2.2").packed)
    gateway.nftables.objects = None
    gateway.now_s += 20 + CHECK_S
    gateway.keeper.check()
    assert gateway.nftables.texts[-1].startswith(REMOVAL)
    assert "192.0.2.1 timeout 45s" in gateway.nftables.texts[-1]
    assert "192.0.2.2" not in gateway.nftables.texts[-1]


def test_a_failure_is_logged_once_and_made_good(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    gateway.nftables.failure = "no room"
    gateway.answered("10.1.0.9", 60)
    gateway.answered("10.1.0.9", 600)
    assert len(caplog.records) == 1
    gateway.nftables.failure = ""
    gateway.now_s += CHECK_S
    gateway.keeper.check()
    assert "192.0.2.1 timeout 605s" in gateway.nftables.texts[-1]


def test_a_full_set_opens_no_more_addresses(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress_keeper, "MOST_ADDRESSES", 1)
    gateway.answered("10.1.0.9", 60)
    assert gateway.answered("10.1.0.9", 60, ip_address("192.0.2.2").packed) == ""
    assert "lab_answered4" in gateway.answered("10.2.0.9", 60)


def test_the_table_is_removed_at_the_end(gateway: Gateway) -> None:
    gateway.keeper.remove()
    assert gateway.nftables.texts[-1] == REMOVAL
