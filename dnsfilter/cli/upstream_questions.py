"""One question for each upstream and zone server, which it must be able to resolve, and who does not resolve it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from dnsfilter.cli.running.asking import ask
from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Config, Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.upstream.recursion import is_unresolved
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import ROOT, name_text

MOST_AT_ONCE: Final = 32
RECURSION_ADVICE: Final = "enable recursion there for this machine, or remove the server from the configuration"
_WITHIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class UpstreamQuestion:
    """The root's name servers for an upstream, the SOA of its zone for a zone's server."""

    server: Endpoint
    name: bytes
    qtype: Type

    @property
    def text(self) -> str:
        return f"{name_text(self.name)} {self.qtype.name}"


def upstream_questions(config: Config) -> Iterator[UpstreamQuestion]:
    """Yield each question once."""
    wanted = [UpstreamQuestion(server, ROOT, Type.NS) for server in config.upstream.servers]
    wanted += [UpstreamQuestion(server, zone.suffix, Type.SOA) for zone in config.zones for server in zone.servers]
    yield from dict.fromkeys(wanted)


def recursion_problems(config: Config) -> list[str]:
    """Ask each server over UDP. Return those that answer without recursion. Silence is no problem of the files."""
    asked = list(upstream_questions(config))
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        return [
            f"{endpoint_text(question.server)} answers {question.text} without recursion: {RECURSION_ADVICE}"
            for question, found in zip(asked, pool.map(_lacks_recursion, asked), strict=True)
            if found
        ]


def _lacks_recursion(question: UpstreamQuestion) -> bool:
    try:
        return is_unresolved(ask(question.server, question.name, question.qtype, within_s=_WITHIN_S))
    except UnavailableError:
        return False
