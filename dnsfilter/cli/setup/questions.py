"""Ask on a terminal for what no option gave. An empty answer keeps what is there, or skips the question."""

import argparse
import shlex
import socket
from collections.abc import Callable
from ipaddress import ip_address

from dnsfilter.cli.setup.answers import parse_domain, parse_mail_server, parse_word
from dnsfilter.cli.setup.present import Present
from dnsfilter.config.endpoint import parse_endpoint, parse_prefix
from dnsfilter.config.upstreams.presets import is_word
from dnsfilter.config.values import read_server
from dnsfilter.local.believed_clock import kernel_is_synchronized
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.policy.model import Audience, Funding, Kind, Reply
from dnsfilter.telemetry.dialogue import Value, ask, ask_for, confirm, say

_ELSEWHERE = "192.0.2.1"
"""An address of documentation (RFC 5737). Nothing is sent to it."""


def ask_for_missing(options: argparse.Namespace, present: Present) -> None:
    """Complete the options by what a person types. Raise InputEnded."""
    say("An empty answer keeps the value in brackets, or skips the question. Separate several values by commas.")
    if not options.listen:
        options.listen = _listen(present)
    if not options.upstream:
        options.upstream = _several(
            "Upstream servers, a public resolver such as dns4eu, or resolv.conf", _parse_upstream, present.upstreams
        )
    if not options.domain:
        say()
        say("The office's own names, such as corp.local, are asked of its domain controllers.")
        options.domain = ask_for("Domain of the office", _checked(parse_domain))
    if options.domain and not options.controller:
        options.controller = _needed("Addresses of the domain controllers", _split(read_server))
    _ask_for_authority(options, present)
    if not options.learn and not present.learning:
        say()
        say("For two weeks, unregistered clients of private networks can get answers, so that you see who asks.")
        options.learn = _several("Such networks, as 10.0.0.0/8 (empty: refuse them)", parse_prefix, ())
    if not options.mail_server and not present.mail_server:
        say()
        say("Notices about bans that end are mailed to the contact.")
        options.mail_server = ask_for("Mail server (empty: no mail)", parse_mail_server)
    if options.mail_server and not (options.mail_from or present.mail_from):
        options.mail_from = _needed("Sender of the notices", str)
    if not (options.trust_clock or present.trust_clock or kernel_is_synchronized()):
        say()
        say("No NTP client has confirmed this clock to the kernel. With PTP or a hypervisor's tools none ever does.")
        say("The node then doubts a clock that jumps ahead, unless it is to trust this machine's clock.")
        options.trust_clock = confirm("Trust it without a confirmation? Say no if an NTP client is about to confirm it")


def _listen(present: Present) -> list[str]:
    question = "Addresses that answer queries"
    if any(not _is_loopback(text) for text in present.listen):
        return _several(question, parse_endpoint, present.listen)
    found = [*filter(None, (_own_address(socket.AF_INET), _own_address(socket.AF_INET6))), "127.0.0.1"]
    return ask_for(question, _split(parse_endpoint), ", ".join(found)) or []


def _ask_for_authority(options: argparse.Namespace, present: Present) -> None:
    held = present.slug
    if not options.authority:
        say()
        say("The authority whose networks this resolver serves, and who decides its bans.")
        shown = f" [{held}]" if held else ", a short name such as ghent"
        options.authority = ask(f"Authority{shown}") or None
    slug = options.authority or held
    if slug and slug not in present.authorities:
        options.kind = options.kind or _needed(f"Kind ({', '.join(Kind)})", parse_word(Kind))
        if not options.name:
            languages = ask("Languages, in order", "nl").replace(" ", "").split(",")
            options.name = [f"{each}={_needed(f'Name in {each}', str)}" for each in languages]
        options.time_zone = options.time_zone or ask("Time zone", DEFAULT_ZONE)
        options.contact = options.contact or _needed("Contact: the address of a function, not of a person", str)
        options.reply = options.reply or _reply()
    if slug and not options.network:
        say()
        say(f"The networks of {slug}.")
        while (typed := ask_for("Network, such as 192.0.2.0/24 (empty: no more)", parse_prefix)) is not None:
            funding = _needed(f"Who paid for its devices ({', '.join(Funding)})", parse_word(Funding))
            audience = _needed(f"Who uses them ({', '.join(Audience)})", parse_word(Audience))
            options.network.append(f"{typed},{funding},{audience},{ask('Label')}")


def _reply() -> str | None:
    say()
    say("After the reply refused, a client that knows another resolver asks that one, and the ban has no effect.")
    say("Give clients no other resolver. If some know one for now, choose nodata: docs/reference/which-reply.md")
    return ask_for(f"Reply of bans ({', '.join(Reply)})", _checked(parse_word(Reply)), Reply.REFUSED.value)


def typed_line(options: argparse.Namespace) -> str:
    """Return the command line that gives these options without questions."""
    words = ["dnsfilter", "setup", "--yes"]
    for name, value in vars(options).items():
        values = value if isinstance(value, list) else [value] if isinstance(value, str) else []
        words += [word for each in values for word in (f"--{name.replace('_', '-')}", each)]
    words += [f"--{name.replace('_', '-')}" for name in ("trust_clock", "force") if getattr(options, name)]
    return shlex.join(words)


def _needed(question: str, parse: Callable[[str], Value]) -> Value:
    """Ask until there is an answer."""
    while (found := ask_for(question, parse)) is None:
        say("  This needs an answer.")
    return found


def _several(question: str, parse: Callable[[str], object], held: tuple[str, ...]) -> list[str]:
    """Return the typed texts, none to keep those that are held."""
    shown = f" [{', '.join(held)}]" if held else ""
    return ask_for(f"{question}{shown}", _split(parse)) or []


def _split(parse: Callable[[str], object]) -> Callable[[str], list[str]]:
    def split(typed: str) -> list[str]:
        texts = [text.strip() for text in typed.split(",") if text.strip()]
        for text in texts:
            parse(text)
        return texts

    return split


def _checked(parse: Callable[[str], object]) -> Callable[[str], str]:
    """Return a parser of a text that `parse` accepts."""

    def checked(typed: str) -> str:
        parse(typed)
        return typed

    return checked


def _parse_upstream(text: str) -> object:
    return text if is_word(text) else read_server(text)


def _is_loopback(text: str) -> bool:
    try:
        return parse_endpoint(text).address.is_loopback
    except ValueError:
        return False


def _own_address(family: socket.AddressFamily) -> str | None:
    """Return the address from which this machine would send elsewhere."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_ELSEWHERE if family is socket.AF_INET else "2001:db8::1", 53))
            found: str = probe.getsockname()[0]
    except OSError:
        return None
    return found if not ip_address(found).is_loopback else None
