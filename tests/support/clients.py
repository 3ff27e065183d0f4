"""Common client software in front of a node: what it asks, and resolvers that forward to the node."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.support.components import Component, component
from tests.support.dig import DigResult, NoAnswer, Record, dig
from tests.support.knot import Denial, Knot
from tests.support.namespaces import KnotWithin, Namespace, NodeWithin
from tests.support.nodes import Node, Process
from tests.support.ports import free_port
from tests.support.unbound import CONFIG
from tests.support.zone_texts import ZONES

SIGNED = "example.org"
FORGED = "altered.example.org"
REAL_ADDRESS, FORGED_ADDRESS = "198.51.100.66", "203.0.113.66"
FORGERY = ((SIGNED, "SOA"), (SIGNED, "DNSKEY"), (FORGED, "A"))
MORE = f"""\
altered A     {REAL_ADDRESS}
clip    CNAME www.capcut.com.
page    CNAME www.facebook.com.
photo   CNAME www.instagram.com.
"""
CLIENT_ZONES: Mapping[str, str] = {**ZONES, SIGNED: ZONES[SIGNED] + MORE}
"""The public zones. The signed zone has more aliases of banned names, and one name that a forger answers for."""
SIGNING: Mapping[str, Denial] = {SIGNED: "nsec"}

OPEN_POLICY = """\
[[authority]]
slug = "ghent"
kind = "municipality"
names = { nl = "Stad Gent" }
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@ghent.example"
public_register = true
filtering_database = "ghent"

[[range]]
prefix = "127.0.0.0/8"
authority = "ghent"
funding = "public"
audience = "staff"
"""
"""A policy with one authority, whose range contains this machine, and without bans."""

REPLIES = {
    "tiktok": 'reply = "refused"',
    "capcut": 'reply = "nxdomain"',
    "facebook": 'reply = "nodata"',
    "instagram": 'reply = "address"\naddresses = ["192.0.2.80"]\n[ban.decision]\nreference = "CBS/2026/7"',
}
BAN = """\
[[ban]]
authority = "ghent"
service = "{}"
mode = "enforce"
{}
[[ban.term]]
start = "today"
for = "1 year"
"""
POLICY = OPEN_POLICY + "".join(BAN.format(service, reply) for service, reply in REPLIES.items())
"""The same policy with one banned service for each kind of reply."""


@dataclass(frozen=True, slots=True)
class Office:
    """A node with POLICY, a node without bans, and the data of the DNSKEY of their upstream's signed zone."""

    node: Node
    other: Node
    key: str


@contextmanager
def office(directory: Path) -> Iterator[Office]:
    """Run both nodes on loopback, in front of a real authoritative server. The first asks a forger about FORGED."""
    with (
        Knot(CLIENT_ZONES, signed=SIGNING) as authority,
        Knot({SIGNED: _forged(authority)}) as forger,
        Node(directory / "node", authority.hostport, policy=POLICY, config=_at_forger(forger)) as node,
        Node(directory / "other", authority.hostport, policy=OPEN_POLICY) as other,
    ):
        yield Office(node, other, _key(authority))


@contextmanager
def office_within(space: Namespace, directory: Path) -> Iterator[Office]:
    """Run both nodes inside a namespace, at port 53 of 127.0.0.1 and 127.0.0.2."""
    dig_inside = space.component("dig")
    with (
        KnotWithin(space, CLIENT_ZONES, signed=SIGNING) as authority,
        KnotWithin(space, {SIGNED: _forged(authority, dig_inside)}) as forger,
        NodeWithin(space, directory / "node", authority.hostport, policy=POLICY, config=_at_forger(forger)) as node,
        NodeWithin(space, directory / "other", authority.hostport, policy=OPEN_POLICY, address="127.0.0.2") as other,
    ):
        yield Office(node, other, _key(authority, dig_inside))


def _forged(authority: Knot, program: Component | None = None) -> str:
    """Return a reduced copy of the signed zone, with one address changed and the original signatures."""
    answers = [_signed(authority, name, qtype, program) for name, qtype in FORGERY]
    lines = [f"{name} {ttl_s} {kind} {rdata}" for answer in answers for name, ttl_s, kind, rdata in answer]
    return "\n".join(lines).replace(REAL_ADDRESS, FORGED_ADDRESS)


def _at_forger(forger: Knot) -> str:
    return f'[[zone]]\nsuffix = "{FORGED}"\nservers = ["{forger.hostport}"]\n'


def _key(authority: Knot, program: Component | None = None) -> str:
    return next(record.rdata for record in _signed(authority, SIGNED, "DNSKEY", program) if record.type == "DNSKEY")


def _signed(authority: Knot, name: str, qtype: str, program: Component | None) -> Sequence[Record]:
    extra = ["+dnssec", "+tcp"]
    return dig(name, qtype, server=authority.address, port=authority.port, extra=extra, program=program).answers


class Forwarder(Process):
    """A resolver inside a namespace that forwards to the given servers. A server is an address or "address:port"."""

    def __init__(self, space: Namespace, directory: Path, program: str) -> None:
        super().__init__(directory, program)
        directory.mkdir(parents=True)
        self.name = program
        self.address, self.port = "127.0.0.1", free_port()
        self._space = space
        self._program = component(program)

    def arguments(self) -> Sequence[str]:
        raise TypeError(f"{type(self).__name__} has no arguments")

    def command(self) -> list[str]:
        libraries = f"LD_LIBRARY_PATH={self._program.env.get('LD_LIBRARY_PATH', '')}"
        command = ["env", libraries, str(self._program.path), *self.arguments()]
        return self._space.command(*command)

    def is_ready(self) -> bool:
        try:
            return self.dig("ns.example.net").rcode == "NOERROR"
        except NoAnswer:
            return False

    def dig(self, name: str, qtype: str = "A", *extra: str) -> DigResult:
        within = self._space.component("dig")
        return dig(name, qtype, server=self.address, port=self.port, extra=extra, program=within)


class Dnsmasq(Forwarder):
    """dnsmasq as on an office's router, forwarding to the given servers."""

    def __init__(self, space: Namespace, directory: Path, *servers: str, strict_order: bool = False) -> None:
        super().__init__(space, directory, "dnsmasq")
        self._servers = servers
        self._order = ["--strict-order"] if strict_order else []

    def arguments(self) -> Sequence[str]:
        return (
            *("--no-daemon", "--conf-file=/dev/null", "--no-hosts", "--no-resolv"),
            *("--listen-address=127.0.0.1", f"--port={self.port}", "--bind-interfaces"),
            *(f"--server={server.replace(':', '#')}" for server in self._servers),
            *self._order,
        )


class ForwardingUnbound(Forwarder):
    """Unbound that forwards everything. With `key`, the key of SIGNED, it validates below SIGNED."""

    def __init__(self, space: Namespace, directory: Path, *servers: str, key: str | None = None) -> None:
        super().__init__(space, directory, "unbound")
        validation = f'module-config: "validator iterator"\n    trust-anchor: "{SIGNED}. DNSKEY {key}"'
        text = CONFIG.format(
            port=self.port,
            directory=directory,
            upstream="\n    forward-addr: ".join(server.replace(":", "@") for server in servers),
            extra=f"    ede: yes\n    {validation if key else ''}",
        )
        (directory / "unbound.conf").write_text(text)

    def arguments(self) -> Sequence[str]:
        return ("-d", "-p", "-c", str(self.directory / "unbound.conf"))


NAMED = """\
options {{
    directory "{directory}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    dnssec-validation no;
    forward only;
    forwarders {{ {servers} }};
}};
controls {{ }};
"""


class ForwardingBind(Forwarder):
    """BIND that forwards everything."""

    def __init__(self, space: Namespace, directory: Path, *servers: str) -> None:
        super().__init__(space, directory, "named")
        listed = "".join(f"{server.replace(':', ' port ')}; " for server in servers)
        text = NAMED.format(directory=directory, port=self.port, servers=listed)
        (directory / "named.conf").write_text(text)

    def arguments(self) -> Sequence[str]:
        return ("-g", "-n", "1", "-c", str(self.directory / "named.conf"))


RESOLVED = """\
[Resolve]
DNS={servers}
FallbackDNS=
DNSSEC={dnssec}
MulticastDNS=no
LLMNR=no
ReadEtcHosts=no
"""


class Resolved(Forwarder):
    """systemd-resolved with its stub at 127.0.0.53. With `key`, the key of SIGNED, it validates below SIGNED.

    While it runs, the namespace's /etc holds only the files that it needs, and its /run is private.
    """

    def __init__(self, space: Namespace, directory: Path, *servers: str, key: str | None = None) -> None:
        super().__init__(space, directory, "resolved")
        self.address, self.port = "127.0.0.53", 53
        anchors = "dnssec-trust-anchors.d"
        dnssec = "no" if key is None else "yes"
        # An unprivileged namespace has only one user, root. So the user that systemd-resolved looks up has to be this
        # one.
        self._etc = {
            "passwd": "root:x:0:0::/:/bin/sh\nsystemd-resolve:x:0:0::/:/bin/sh\n",
            "systemd/resolved.conf": RESOLVED.format(servers=" ".join(servers), dnssec=dnssec),
            f"{anchors}/signed.positive": "" if key is None else f"{SIGNED}. IN DNSKEY {key}\n",
            f"{anchors}/unsigned.negative": "" if key is None else "com\nnet\n",
        }

    def arguments(self) -> Sequence[str]:
        return ()

    def stop(self, number: int = signal.SIGTERM) -> int:
        status = super().stop(number)
        self._space.unmount("/run")
        self._space.unmount("/etc")
        return status

    def start(self) -> Self:
        replace_etc(self._space, self.directory / "etc", self._etc)
        self._space.mount("-t", "tmpfs", "tmpfs", "/run")
        self._space.run("mkdir", "/run/systemd")
        return super().start()


def replace_etc(space: Namespace, directory: Path, files: Mapping[str, str]) -> None:
    """Write the files to the new `directory`, and mount it as /etc within the namespace."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    space.mount("--bind", str(directory), "/etc")
