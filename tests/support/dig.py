"""Run the real dig and return what it prints as values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.support.components import Component, component


class Record(NamedTuple):
    """One line of a section. `rdata` is as dig prints it: names are absolute, and keep the case as received."""

    name: str
    ttl_s: int
    type: str
    rdata: str


class ExtendedError(NamedTuple):
    """One EDE option (RFC 8914). The text is empty if the option has none."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class DigResult:
    """One answer: rcode by name, header flags in lower case, EDEs in order, sections. `edns` is None without OPT."""

    rcode: str
    flags: frozenset[str]
    edns: str | None
    ede: tuple[ExtendedError, ...]
    answers: tuple[Record, ...]
    authority: tuple[Record, ...]
    additional: tuple[Record, ...]
    transport: str
    raw: str = field(repr=False)

    def rdata(self, qtype: str) -> list[str]:
        """Return the data of the answer section's records of that type, in order."""
        return [record.rdata for record in self.answers if record.type == qtype]


class NoAnswer(Exception):
    """Raised if no reply arrived, or if dig could not read it. The message is what dig printed."""


HEADER = re.compile(r"^;; ->>HEADER<<- opcode: \S+, status: (\S+), id: \d+$", re.MULTILINE)
FLAGS = re.compile(r"^;; flags: ?([a-z ]*);", re.MULTILINE)
EDNS = re.compile(r"^; EDNS: (.*)$", re.MULTILINE)
EDE = re.compile(r"^; EDE: (\d+)(?: \([^)]*\))?(?:: \((.*)\))?$", re.MULTILINE)
SERVER = re.compile(r"^;; SERVER: .* \((\w+)\)$", re.MULTILINE)
SECTION = re.compile(r"^;; (ANSWER|AUTHORITY|ADDITIONAL) SECTION:\n((?:[^;\n].*\n)+)", re.MULTILINE)


def dig(
    name: str,
    qtype: str = "A",
    *,
    server: str = "127.0.0.1",
    port: int = 53,
    bind: str | None = None,
    timeout_s: int = 5,
    extra: Sequence[str] = (),
    program: Component | None = None,
) -> DigResult:
    """Ask once, from the address `bind`. Raise NoAnswer if there is no readable reply.

    `extra` are options of dig, such as "+tcp", "+dnssec" or "+norecurse". `program` is a dig that runs elsewhere, for
    example in a namespace. Without "+notcp", dig asks ANY over TCP. Without "+ignore", it repeats a truncated query
    over TCP.
    """
    source = [] if bind is None else ["-b", bind]
    options = [f"+time={timeout_s}", "+tries=1", "+noidnin", "+noidnout", *extra]
    target = ["-p", str(port), f"@{server}", "-q", name, "-t", qtype]
    done = (program or component("dig")).run("-r", *source, *target, *options, timeout_s=4 * timeout_s + 10)
    if done.returncode != 0:
        raise NoAnswer(f"dig {name} {qtype} at {server} port {port}: {done.stdout}{done.stderr}")
    return parse_dig(done.stdout)


def parse_dig(raw: str) -> DigResult:
    """Return what dig printed about one answer, in its default format. Raise NoAnswer if there is none."""
    header, flags, edns, server = (pattern.search(raw) for pattern in (HEADER, FLAGS, EDNS, SERVER))
    if header is None or flags is None:
        raise NoAnswer(raw)
    sections = {section: _records(lines) for section, lines in SECTION.findall(raw)}
    return DigResult(
        rcode=header[1],
        flags=frozenset(flags[1].split()),
        edns=None if edns is None else edns[1],
        ede=tuple(ExtendedError(int(code), text) for code, text in EDE.findall(raw)),
        answers=sections.get("ANSWER", ()),
        authority=sections.get("AUTHORITY", ()),
        additional=sections.get("ADDITIONAL", ()),
        transport="" if server is None else server[1].lower(),
        raw=raw,
    )


def _records(lines: str) -> tuple[Record, ...]:
    fields = (line.split(maxsplit=4) for line in lines.splitlines())
    return tuple(Record(name, int(ttl), kind, "".join(rdata)) for name, ttl, _, kind, *rdata in fields)
