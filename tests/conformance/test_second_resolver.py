"""Clients that also know a resolver without bans: after which replies of a ban they ask it."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.support.clients import (
    Dnsmasq,
    Forwarder,
    ForwardingBind,
    ForwardingUnbound,
    Office,
    Resolved,
    office_within,
    replace_etc,
)
from tests.support.components import component
from tests.support.dig import NoAnswer
from tests.support.documents import rows_of_table
from tests.support.musl import musl_lookup
from tests.support.namespaces import Namespace
from tests.support.slow_relay import slow_relay

FIRST, SECOND = "127.0.0.1", "127.0.0.2"
SLOW_FIRST, SLOW_SECOND = "127.0.0.3", "127.0.0.4"
"""Ways to both that take SLOW_S."""
SLOW_S = 0.6
UNBANNED_ADDRESS = {"www.tiktok.com": "192.0.2.100", "www.capcut.com": "192.0.2.105", "www.facebook.com": "192.0.2.107"}


@pytest.fixture(scope="module")
def space() -> Iterator[Namespace]:
    """Create the network of the client and of both resolvers."""
    with Namespace() as made:
        made.add_device("eth0", "192.0.2.1/24")  # without a network, systemd-resolved sends no queries
        yield made


@pytest.fixture(scope="module")
def nodes(space: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Start the resolver with bans at FIRST and the one without at SECOND."""
    with office_within(space, tmp_path_factory.mktemp("office")) as running:
        yield running


def test_the_second_resolver_bans_nothing(nodes: Office) -> None:
    found = {name: nodes.other.dig(name).rdata("A") for name in UNBANNED_ADDRESS}
    assert found == {name: [address] for name, address in UNBANNED_ADDRESS.items()}


@pytest.fixture(params=[(FIRST, SECOND)])
def glibc(request: pytest.FixtureRequest, space: Namespace, nodes: Office, tmp_path: Path) -> Iterator[Namespace]:
    """Return the namespace after pointing the resolver of glibc to both servers, or to those of the parameter."""
    servers = "".join(f"nameserver {server}\n" for server in request.param)
    resolv_conf = f"{servers}options timeout:2 attempts:1\n"
    replace_etc(space, tmp_path / "etc", {"resolv.conf": resolv_conf, "nsswitch.conf": "hosts: dns\n"})
    yield space
    space.unmount("/etc")


def addresses_by_glibc(space: Namespace, name: str) -> list[str]:
    """Return the addresses that applications get. The list is empty if there are none."""
    program = shutil.which("getent")
    assert program is not None
    done = space.run(program, "ahostsv4", name)
    assert done.returncode in (0, 2), done.stderr
    return sorted({line.split()[0] for line in done.stdout.splitlines()})


@pytest.mark.parametrize("name", ["www.capcut.com", "www.facebook.com"])
def test_glibc_asks_no_second_server_after_nxdomain_or_nodata(glibc: Namespace, name: str) -> None:
    assert addresses_by_glibc(glibc, name) == []


def test_glibc_asks_the_second_server_after_refused_and_only_for_that_name(glibc: Namespace) -> None:
    assert addresses_by_glibc(glibc, "www.tiktok.com") == [UNBANNED_ADDRESS["www.tiktok.com"]]
    assert addresses_by_glibc(glibc, "www.capcut.com") == []


@pytest.mark.parametrize("glibc", [(FIRST,)], indirect=True)
def test_glibc_finds_nothing_after_refused_when_it_knows_nobody_else(glibc: Namespace) -> None:
    assert addresses_by_glibc(glibc, "www.tiktok.com") == []
    assert addresses_by_glibc(glibc, "www.example.org") == ["192.0.2.1"]


def test_glibc_gets_the_address_that_a_ban_gives(glibc: Namespace) -> None:
    assert addresses_by_glibc(glibc, "www.instagram.com") == ["192.0.2.80"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "addresses"),
    [("www.tiktok.com", ["192.0.2.100"]), ("www.capcut.com", []), ("www.instagram.com", ["192.0.2.80"])],
)
def test_chromium_connects_to_what_the_systems_resolver_finds(
    glibc: Namespace, tmp_path: Path, name: str, addresses: list[str]
) -> None:
    found: list[str] | None = None
    for _ in range(3):  # On a busy machine Chromium may give up before it has an answer.
        if found != addresses:
            found = addresses_by_chromium(glibc, tmp_path, name)
    assert found == addresses


def addresses_by_chromium(space: Namespace, directory: Path, name: str) -> list[str] | None:
    """Return the addresses that Chromium connects to. Return None if it did not look up the name."""
    program, log = component("chromium"), directory / "net-log.json"
    options = ("--no-sandbox", "--disable-gpu", f"--user-data-dir={directory / 'profile'}", f"--log-net-log={log}")
    done = space.run(str(program.path), *options, "--dump-dom", f"http://{name}/", env=program.env)
    assert log.exists(), done.stderr
    return connected_to(json.loads(log.read_text()), name)


def connected_to(net_log: Any, name: str) -> list[str] | None:
    """Return the IPv4 addresses that Chromium connected to. Return None if it did not look up the name."""
    # Each release knows other names that it asks only over HTTPS.
    origins = (f"http://{name}", f"https://{name}")
    types = net_log["constants"]["logEventTypes"]
    events = [(event["type"], event.get("params", {})) for event in net_log["events"]]
    lookup, connect = types["HOST_RESOLVER_MANAGER_JOB"], types["TCP_CONNECT_ATTEMPT"]
    if not any(kind == lookup and params.get("host") in origins for kind, params in events):
        return None
    sockets = (params["address"] for kind, params in events if kind == connect and "address" in params)
    return sorted({socket.rpartition(":")[0] for socket in sockets if not socket.startswith("[")})


@pytest.fixture
def resolved(space: Namespace, nodes: Office, tmp_path: Path) -> Iterator[Resolved]:
    """Start systemd-resolved with both servers. It has sent queries for only one name."""
    with Resolved(space, tmp_path / "resolved", FIRST, SECOND) as running:
        yield running


@pytest.mark.parametrize("name", ["www.capcut.com", "www.facebook.com"])
def test_resolved_asks_no_second_server_after_nxdomain_or_nodata(resolved: Resolved, name: str) -> None:
    assert [resolved.dig(name, qtype).answers for qtype in ("A", "AAAA", "HTTPS")] == [(), (), ()]


def test_resolved_turns_to_the_second_server_after_refused_and_stays_there_for_every_name(resolved: Resolved) -> None:
    assert resolved.dig("www.capcut.com").answers == ()
    assert resolved.dig("www.tiktok.com").rdata("A") == [UNBANNED_ADDRESS["www.tiktok.com"]]
    assert resolved.dig("www.facebook.com").rdata("A") == [UNBANNED_ADDRESS["www.facebook.com"]]
    assert resolved.dig("www.capcut.com", "AAAA").rdata("AAAA") == ["2001:db8::105"]


@pytest.fixture
def dnsmasq(space: Namespace, nodes: Office, tmp_path: Path) -> Iterator[Dnsmasq]:
    """Start dnsmasq with a strict order of servers. Without that order it sometimes asks them all at once."""
    with Dnsmasq(space, tmp_path / "dnsmasq", FIRST, SECOND, strict_order=True) as running:
        yield running


@pytest.mark.parametrize("name", ["www.capcut.com", "www.facebook.com"])
def test_dnsmasq_asks_no_second_server_after_nxdomain_or_nodata(dnsmasq: Dnsmasq, name: str) -> None:
    assert [dnsmasq.dig(name, qtype).answers for qtype in ("A", "AAAA", "HTTPS")] == [(), (), ()]


def test_dnsmasq_asks_the_second_server_after_refused_and_only_for_that_name(dnsmasq: Dnsmasq) -> None:
    assert dnsmasq.dig("www.tiktok.com").rdata("A") == [UNBANNED_ADDRESS["www.tiktok.com"]]
    assert dnsmasq.dig("www.capcut.com").answers == ()


def test_dnsmasq_in_strict_order_that_knows_nobody_else_is_silent_after_refused(
    space: Namespace, nodes: Office, tmp_path: Path
) -> None:
    with Dnsmasq(space, tmp_path / "dnsmasq", FIRST, strict_order=True) as alone:
        assert alone.dig("www.capcut.com").rcode == "NXDOMAIN"
        with pytest.raises(NoAnswer):
            alone.dig("www.tiktok.com", "A", "+time=1")


def test_unbound_gets_from_the_second_server_what_the_first_refuses(
    space: Namespace, nodes: Office, tmp_path: Path
) -> None:
    with ForwardingUnbound(space, tmp_path / "unbound", FIRST, SECOND) as both:
        assert both.dig("www.tiktok.com").rdata("A") == [UNBANNED_ADDRESS["www.tiktok.com"]]


# The table of the guide: each client with each reply, while the second resolver is slow, and while the first is.

PAGE = "docs/reference/which-reply.md"
REPLIES = {"nxdomain": "www.capcut.com", "nodata": "www.facebook.com", "address": "www.instagram.com"}
REFUSED, LATER = "www.tiktok.com", "facebook.com"
HOLDS, OPENS, OPENS_ALL, FASTER = "holds", "**opens**", "**opens all**", "varies"
WARM_UP = 12
"""Names that a forwarder is asked first, so that it knows how fast each server is."""

Lookup: TypeAlias = Callable[[str], Sequence[str]]
Start: TypeAlias = Callable[[Namespace, Path, Sequence[str]], AbstractContextManager[Lookup]]


def stub(lookup: Callable[[Namespace, Path, str], Sequence[str]]) -> Start:
    """Return how to start a client that reads resolv.conf."""

    @contextmanager
    def start(space: Namespace, directory: Path, servers: Sequence[str]) -> Iterator[Lookup]:
        resolv_conf = "".join(f"nameserver {server}\n" for server in servers)
        directory.mkdir()
        replace_etc(space, directory / "etc", {"resolv.conf": resolv_conf, "nsswitch.conf": "hosts: dns\n"})
        try:
            yield partial(lookup, space, directory)
        finally:
            space.unmount("/etc")

    return start


def forwarder(program: Callable[..., Forwarder], **settings: bool) -> Start:
    """Return how to start a resolver that forwards to the servers."""

    @contextmanager
    def start(space: Namespace, directory: Path, servers: Sequence[str]) -> Iterator[Lookup]:
        with program(space, directory, *servers, **settings) as running:
            for number in range(WARM_UP):
                running.dig(f"n{number}.wild.example.org")
            yield partial(addresses_by_dig, running)

    return start


def addresses_by_dig(running: Forwarder, name: str) -> list[str]:
    try:
        return running.dig(name, "A", "+time=8").rdata("A")
    except NoAnswer:
        return []


def by_musl(space: Namespace, directory: Path, name: str) -> list[str]:
    """Return the addresses that a program with musl gets."""
    program = directory / "lookup"
    done = space.run(str(program if program.exists() else musl_lookup(directory)), name)
    assert done.returncode in (0, 2), done.stderr
    return done.stdout.split()


def by_chromium(space: Namespace, directory: Path, name: str) -> list[str]:
    """Return the addresses that Chromium connects to, when it has looked up the name."""
    tries = (addresses_by_chromium(space, directory, name) for _ in range(3))
    return next(found for found in tries if found is not None)


CLIENTS: Mapping[str, Start] = {
    "glibc": stub(lambda space, _, name: addresses_by_glibc(space, name)),
    "Chromium": stub(by_chromium),
    "musl": stub(by_musl),
    "systemd-resolved": forwarder(Resolved),
    "dnsmasq": forwarder(Dnsmasq),
    "dnsmasq, `strict-order`": forwarder(Dnsmasq, strict_order=True),
    "Unbound": forwarder(ForwardingUnbound),
    "BIND": forwarder(ForwardingBind),
}


def said(name: str, addresses: Sequence[str]) -> str:
    """Return whether the ban holds: the client got the ban's address if there is one, else nothing."""
    unbanned = {**UNBANNED_ADDRESS, "www.instagram.com": "192.0.2.108", LATER: "192.0.2.107"}
    by_ban = "192.0.2.80" if name == REPLIES["address"] else ""
    return {unbanned[name]: OPENS, by_ban: HOLDS}["".join(addresses)]


def _seen(lookup: Lookup) -> dict[str, str]:
    """Return what a client finds with each reply, and last what it finds after it was refused."""
    names = {**REPLIES, "refused": REFUSED, "later": LATER}
    found = {}
    for reply, name in names.items():
        began = time.monotonic()
        found[reply] = said(name, lookup(name))
        print(f"{reply}: {found[reply]} after {time.monotonic() - began:.2f} s")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
def test_the_table_of_the_guide_is_what_clients_do(
    client: str, space: Namespace, nodes: Office, tmp_path: Path
) -> None:
    start = CLIENTS[client]
    with slow_relay(space, SLOW_FIRST, FIRST, SLOW_S), slow_relay(space, SLOW_SECOND, SECOND, SLOW_S):
        with start(space, tmp_path / "first", (FIRST, SLOW_SECOND)) as lookup:
            first_is_faster = _seen(lookup)
        with start(space, tmp_path / "second", (SLOW_FIRST, SECOND)) as lookup:
            second_is_faster = _seen(lookup)
        with start(space, tmp_path / "alone", (FIRST,)) as lookup:
            alone = _seen(lookup)
    row = {"client": client, "`refused`, no other resolver": alone["refused"]}
    for reply in (*REPLIES, "refused"):
        same = first_is_faster[reply] == second_is_faster[reply]
        row[f"`{reply}`"] = first_is_faster[reply] if same else FASTER
    if first_is_faster["later"] == OPENS:
        row["`refused`"] = OPENS_ALL
    written = {each["client"]: each for each in rows_of_table(PAGE, "client")}[client]
    assert {key: cell for key, cell in written.items() if key in row} == row


def test_the_table_of_the_guide_has_every_client_that_is_measured() -> None:
    assert [row["client"] for row in rows_of_table(PAGE, "client")] == list(CLIENTS)
