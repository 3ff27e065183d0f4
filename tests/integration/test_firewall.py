"""The firewall next to a node, in namespaces: which resolvers a client reaches while a ban is enforced for it."""

import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time

import pytest

from dnsfilter.policy.model import ENCRYPTED_DNS, Ban, Exemption, Policy, Term
from tests.support.firewalls import (
    ALLOWED,
    BANNED,
    FREE,
    GATEWAY,
    OTHER,
    PUBLIC,
    Firewall,
    Networks,
    networks,
    reaches,
)
from tests.support.namespaces import Namespace
from tests.support.nodes import eventually, program
from tests.support.policies import ban, exemption, network, policy, service

pytestmark = pytest.mark.heavy

UDP, TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM
VIDEO, ENCRYPTED = service("video", ["video.example"]), service(ENCRYPTED_DNS, ["dns.example"])


@pytest.fixture(scope="module")
def net() -> Iterator[Networks]:
    with networks() as made:
        yield made


def office(*acts: Ban | Exemption) -> Policy:
    ranges = (*(network(each, "ghent") for each in BANNED), *(network(each, "mechelen") for each in FREE))
    return policy(*ranges, VIDEO, ENCRYPTED, *acts)


VIDEO_BAN = office(ban(1, "ghent", "video"))


@pytest.fixture(scope="module")
def running(net: Networks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewall]:
    with Firewall(net.gateway, tmp_path_factory.mktemp("gateway"), office(), ("--resolver", ALLOWED)) as firewall:
        yield firewall


@pytest.fixture
def firewall(net: Networks, running: Firewall) -> Firewall:
    """Return the firewall of a node, without a ban. Each test publishes its own policy."""
    running.publish(office())
    assert comes_true(lambda: asks(net, net.banned) and asks(net, net.banned, port=853) and not bans_networks(running))
    return running


def bans_networks(firewall: Firewall) -> bool:
    """Return whether the rules that were applied and listed last are about any network."""
    *_, last = re.finditer(r"firewall rules applied.* networks=(\d+)", firewall.log.read_text())
    return last[1] != "0"


def asks(net: Networks, client: Namespace, address: str = OTHER[0], port: int = 53, kind: int = UDP) -> bool:
    return reaches(client, net.world, address, port, kind)


def comes_true(holds: Callable[[], bool]) -> bool:
    return eventually(holds, every_s=0.1)


def test_a_banned_client_reaches_no_other_resolver(net: Networks, firewall: Firewall) -> None:
    firewall.publish(VIDEO_BAN)
    assert comes_true(lambda: not asks(net, net.banned))
    for other, mine in zip(OTHER, GATEWAY, strict=True):
        for kind in (UDP, TCP):
            assert not asks(net, net.banned, other, 53, kind)
            assert asks(net, net.free, other, 53, kind)
            assert asks(net, net.banned, other, 853, kind)
            assert asks(net, net.banned, other, 443, kind)
            assert reaches(net.banned, net.gateway, mine, 53, kind)


def test_encrypted_resolvers_are_closed_where_their_ban_is_enforced(net: Networks, firewall: Firewall) -> None:
    firewall.publish(office(ban(1, "ghent", ENCRYPTED_DNS)))
    assert comes_true(lambda: not asks(net, net.banned, OTHER[0], 853))
    for kind in (UDP, TCP):
        for address, port in ((OTHER[0], 853), (OTHER[1], 853), (PUBLIC, 443)):
            assert not asks(net, net.banned, address, port, kind)
            assert asks(net, net.free, address, port, kind)
        assert asks(net, net.banned, OTHER[0], 443, kind)
        for port in (53, 853):
            assert asks(net, net.banned, ALLOWED, port, kind)


def test_the_rules_follow_the_start_and_the_end_of_a_term(net: Networks, firewall: Firewall) -> None:
    start, end = int(time()) + 3, int(time()) + 5
    firewall.publish(office(ban(1, "ghent", "video", terms=(Term(start, end),))))
    assert comes_true(lambda: asks(net, net.banned))
    assert comes_true(lambda: not asks(net, net.banned))
    assert time() >= start
    assert comes_true(lambda: asks(net, net.banned))
    assert time() >= end


def test_the_rules_follow_an_exemption(net: Networks, firewall: Firewall) -> None:
    start, end = int(time()) + 3, int(time()) + 5
    firewall.publish(office(ban(1, "ghent", "video"), exemption(1, 1, BANNED[:1], start, end)))
    assert comes_true(lambda: not asks(net, net.banned))
    assert comes_true(lambda: asks(net, net.banned))
    assert time() >= start
    assert not asks(net, net.banned, OTHER[1])
    assert comes_true(lambda: not asks(net, net.banned))
    assert time() >= end


def test_the_rules_follow_a_local_suspension(net: Networks, firewall: Firewall) -> None:
    firewall.publish(VIDEO_BAN)
    assert comes_true(lambda: not asks(net, net.banned))
    command = [
        program("dnsfilter"),
        "suspend",
        "ghent",
        "--for",
        "3s",
        "--reason",
        "fire",
        "--config",
        str(firewall.config),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert comes_true(lambda: asks(net, net.banned))
    assert comes_true(lambda: not asks(net, net.banned))


def test_a_removed_table_comes_back_and_other_tables_stay(net: Networks, firewall: Firewall) -> None:
    firewall.publish(VIDEO_BAN)
    assert comes_true(lambda: not asks(net, net.banned) and bans_networks(firewall))
    firewall.nft("flush", "ruleset")
    firewall.nft("add", "table", "inet", "office")
    assert comes_true(firewall.is_there)
    assert not asks(net, net.banned)
    firewall.publish(office())
    assert comes_true(lambda: asks(net, net.banned))
    assert "table inet office" in firewall.nft("list", "tables")


@pytest.mark.parametrize(
    "change", ["flush table inet dnsfilter", "flush set inet dnsfilter banned4", "flush chain inet dnsfilter forward"]
)
def test_rules_that_another_program_removed_from_the_table_come_back(
    net: Networks, firewall: Firewall, change: str
) -> None:
    firewall.publish(VIDEO_BAN)
    assert comes_true(lambda: not asks(net, net.banned) and bans_networks(firewall))
    event = "another program changed or removed the firewall rules"
    before = firewall.log.read_text().count(event)
    firewall.nft(*change.split())
    assert comes_true(lambda: firewall.log.read_text().count(event) > before)
    assert comes_true(lambda: not asks(net, net.banned))


def test_redirection_and_the_end_of_the_program(tmp_path: Path) -> None:
    with networks() as net:
        with Firewall(net.gateway, tmp_path / "kept", VIDEO_BAN, ("--redirect", "--keep")):
            for mine, other in zip(GATEWAY, OTHER, strict=True):
                for kind in (UDP, TCP):
                    assert reaches(net.banned, net.gateway, other, 53, kind, at=mine)
                    assert asks(net, net.free, other, 53, kind)
        assert not asks(net, net.banned)
        with Firewall(net.gateway, tmp_path / "restarted", VIDEO_BAN) as firewall:
            firewall.stop(signal.SIGHUP)
            assert firewall.is_there()
        with Firewall(net.gateway, tmp_path / "removed", VIDEO_BAN) as firewall:
            assert not asks(net, net.banned)
        assert not firewall.is_there()
        assert asks(net, net.banned)
