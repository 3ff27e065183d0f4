"""One question for each upstream and zone server, which it must be able to resolve, and who does not resolve it."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from dnsfilter.cli.running.asking import ANSWER_S, ask
from dnsfilter.cli.running.asking_encrypted import ask_encrypted
from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Config, Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.upstream.recursion import is_unresolved
from dnsfilter.upstream.tls_channel import TlsError
from dnsfilter.wire.iana import Rcode, Type, rcode_text
from dnsfilter.wire.names import ROOT, name_text

MOST_AT_ONCE: Final = 32
RECURSION_ADVICE: Final = "enable recursion there for this machine, or remove the server from the configuration"
TLS_ADVICE: Final = "compare its address and name with those that its operator publishes, and [upstream] ca"
_WITHIN_S: Final = 1.0
_ANSWERS: Final = (Rcode.NOERROR, Rcode.NXDOMAIN)


@dataclass(frozen=True, slots=True)
class UpstreamQuestion:
    """The root's name servers for an upstream, the SOA of its zone for a zone's server. `ca` is for encrypted ones.

    With `cookies`, the node proves its address to the server, which may then demand that over UDP.
    """

    server: Endpoint
    name: bytes
    qtype: Type
    ca: str | None = None
    cookies: bool = False

    @property
    def text(self) -> str:
        return f"{name_text(self.name)} {self.qtype.name}"


def upstream_questions(config: Config) -> Iterator[UpstreamQuestion]:
    """Yield each question once."""
    ca, cookies = config.upstream.ca, config.upstream.cookies
    wanted = [UpstreamQuestion(server, ROOT, Type.NS, ca, cookies) for server in config.upstream.servers]
    wanted += [
        UpstreamQuestion(server, zone.suffix, Type.SOA, ca, zone.cookies)
        for zone in config.zones
        for server in zone.servers
    ]
    yield from dict.fromkeys(wanted)


class Fault(StrEnum):
    """What is wrong with a server's answer."""

    SILENT = "silent"
    TLS = "tls"
    REFUSES = "refuses"
    NO_RECURSION = "no recursion"


@dataclass(frozen=True, slots=True)
class FaultyAnswer:
    """Why a server's answer is of no use, with the server."""

    fault: Fault
    text: str


def answer_fault(
    question: UpstreamQuestion, transport: Transport = Transport.UDP, within_s: float = ANSWER_S
) -> FaultyAnswer | None:
    """Ask, and return why the answer is of no use. None if the server resolves the question.

    An encrypted server is asked over TLS, and has more time.
    """
    server, encrypted = question.server, question.server.tls is not None
    try:
        if encrypted:
            answer = ask_encrypted(server, question.name, question.qtype, question.ca)
        else:
            answer = ask(server, question.name, question.qtype, transport, within_s=within_s)
    except TlsError as error:
        return FaultyAnswer(Fault.TLS, str(error))
    except UnavailableError as error:
        return FaultyAnswer(Fault.SILENT, str(error))
    if question.cookies and transport is Transport.UDP and answer.tc and not encrypted:
        return None  # it demands a cookie, which is not sent here, or TCP
    text = f"{server.address} port {server.port} over {'TLS' if encrypted else transport.upper()} answers"
    if answer.rcode not in _ANSWERS:
        return FaultyAnswer(Fault.REFUSES, f"{text} {rcode_text(answer.rcode)}")
    if is_unresolved(answer):
        return FaultyAnswer(Fault.NO_RECURSION, f"{text} without recursion")
    return None


def answer_faults(questions: Sequence[UpstreamQuestion]) -> list[FaultyAnswer | None]:
    """Ask each question over UDP or TLS, many at once."""
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        return list(pool.map(partial(answer_fault, within_s=_WITHIN_S), questions))


def upstream_faults(config: Config) -> list[str]:
    """Ask each server. Return those that answer without recursion or are not who the configuration says.

    Silence is no problem of the files.
    """
    asked = list(upstream_questions(config))
    texts = []
    for question, found in zip(asked, answer_faults(asked), strict=True):
        if found is not None and found.fault is Fault.NO_RECURSION:
            texts.append(
                f"{endpoint_text(question.server)} answers {question.text} without recursion: {RECURSION_ADVICE}"
            )
        elif found is not None and found.fault is Fault.TLS:
            texts.append(f"{found.text}: {TLS_ADVICE}")
    return texts
