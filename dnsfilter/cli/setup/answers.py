"""What `dnsfilter setup` is asked to set. A value that nobody gave is absent, and its place in the files stays."""

import argparse
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, TypeVar

from dnsfilter.config.endpoint import parse_endpoint, parse_prefix
from dnsfilter.config.node_config import Endpoint
from dnsfilter.config.upstreams.presets import is_word
from dnsfilter.config.values import read_server
from dnsfilter.errors import ConfigError, Problem
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.policy.model import Audience, Funding, Kind, Prefix, Reply, WireName
from dnsfilter.wire.names import parse_name

if TYPE_CHECKING:
    from dnsfilter.cli.setup.present import Present

Value = TypeVar("Value")
Word = TypeVar("Word", Audience, Funding, Kind, Reply)

_MAIL_SERVER = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
NETWORK = "PREFIX,FUNDING,AUDIENCE[,LABEL]"


@dataclass(frozen=True, slots=True)
class Network:
    """A range to register."""

    prefix: Prefix
    funding: Funding
    audience: Audience
    label: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """The values to set. `authority` has the given fields of the authority named `slug`.

    `upstreams` may be a word that stands for servers, such as "dns4eu".
    `left_out` are reverse zones that no server answers for.
    """

    listen: tuple[Endpoint, ...] = ()
    upstreams: tuple[Endpoint, ...] | str = ()
    domain: WireName | None = None
    controllers: tuple[Endpoint, ...] = ()
    slug: str = ""
    authority: Mapping[str, object] = field(default_factory=dict)
    networks: tuple[Network, ...] = ()
    learning: tuple[Prefix, ...] = ()
    mail_server: str = ""
    mail_from: str = ""
    contact: str = ""
    trust_clock: bool = False
    left_out: frozenset[str] = frozenset()
    reply: Reply | None = None
    """What to adopt bans with. Setup adopts none."""


@dataclass(slots=True)
class Parsing:
    """Parses given texts, and keeps the problem of each one that is faulty."""

    problems: list[Problem] = field(default_factory=list)

    def each(self, option: str, texts: Iterable[str], parse: Callable[[str], Value]) -> tuple[Value, ...]:
        """Return the values of the texts that `parse` accepts."""
        return tuple(self._accepted(option, texts, parse))

    def one(self, option: str, text: str | None, parse: Callable[[str], Value]) -> Value | None:
        """Return the value of a text that may be missing or empty, or None."""
        return next(iter(self.each(option, [text] if text else [], parse)), None)

    def _accepted(self, option: str, texts: Iterable[str], parse: Callable[[str], Value]) -> Iterator[Value]:
        for text in texts:
            try:
                yield parse(text)
            except ValueError as error:
                self.problems.append(Problem(option, str(error)))


def parse_network(text: str) -> Network:
    """Return the network of NETWORK. Raise ValueError."""
    parts = [part.strip() for part in text.split(",", 3)]
    if len(parts) < 3:
        raise ValueError(f"{text!r} is not {NETWORK}, such as 192.0.2.0/24,public,staff,offices")
    prefix, funding, audience = parse_prefix(parts[0]), parse_word(Funding)(parts[1]), parse_word(Audience)(parts[2])
    return Network(prefix, funding, audience, parts[3] if len(parts) > 3 else "")


def parse_word(words: type[Word]) -> Callable[[str], Word]:
    """Return a parser of one word of an enumeration."""

    def parse(text: str) -> Word:
        try:
            return words(text)
        except ValueError:
            raise ValueError(f"{text!r} is not one of {', '.join(words)}") from None

    return parse


def parse_upstreams(parsing: Parsing, option: str, texts: list[str]) -> tuple[Endpoint, ...] | str:
    """Return the servers, or the word that stands for some, if that alone is given."""
    return texts[0] if len(texts) == 1 and is_word(texts[0]) else parsing.each(option, texts, read_server)


def parse_mail_server(text: str) -> str:
    """Return a host, perhaps with a port. Raise ValueError."""
    if _MAIL_SERVER.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not HOST or HOST:PORT. For a login, edit api.env")
    return text


def parse_domain(text: str) -> WireName:
    """Return the name of a domain. Raise ValueError."""
    return parse_name(text.strip("."))


def reverse_zones(prefix: Prefix) -> Iterator[str]:
    """Yield the reverse zones that cover a network, at the next boundary of bytes or of hexadecimal digits.

    These are at most 128.
    """
    step, most = (8, 24) if prefix.version == 4 else (4, 124)
    length = min(-(-prefix.prefixlen // step) * step, most)
    if length < prefix.prefixlen:
        prefix = ip_network((prefix.network_address, length), strict=False)
    labels = (prefix.max_prefixlen - length) // step
    for part in prefix.subnets(new_prefix=length):
        yield part.network_address.reverse_pointer.split(".", labels)[-1]


def answers_of(options: argparse.Namespace, present: "Present") -> Answers:
    """Return the answers that the options give. Raise ConfigError with every problem."""
    parsing = Parsing()
    networks = parsing.each("--network", options.network, parse_network)
    names = parsing.each("--name", options.name, _parse_name)
    slug = options.authority or present.slug
    held = present.authorities.get(slug)
    contact = options.contact or str((held or {}).get("contact", "")) or present.mail_to
    mail_from = options.mail_from or present.mail_from
    domain = parsing.one("--domain", options.domain, parse_domain)
    controllers = parsing.each("--controller", options.controller, read_server)
    fields = (options.network, options.kind, options.name, options.languages, options.time_zone)
    of_authority = any(fields) or (options.contact and not options.mail_server)
    _need(parsing, slug or not of_authority, "--authority", "name the authority that these options are about")
    _need(parsing, not options.domain or options.controller, "--controller", "give the servers of the domain")
    asked = options.domain or options.network
    _need(parsing, not options.controller or asked, "--domain", "give the domain of the controllers, or a --network")
    if options.mail_server:
        _need(parsing, mail_from, "--mail-from", "give the sender of the notices")
        _need(parsing, "@" in contact, "--contact", "give the mail address that receives the notices")
    answers = Answers(
        listen=parsing.each("--listen", options.listen, parse_endpoint),
        upstreams=parse_upstreams(parsing, "--upstream", options.upstream),
        domain=domain,
        controllers=controllers,
        slug=slug,
        authority=_authority(options, dict(names), is_new=bool(slug) and held is None),
        networks=tuple(
            replace(each, label=each.label or present.networks.get(str(each.prefix), "")) for each in networks
        ),
        learning=parsing.each("--learn", options.learn, parse_prefix),
        mail_server=parsing.one("--mail-server", options.mail_server, parse_mail_server) or "",
        mail_from=mail_from if options.mail_server else "",
        contact=contact,
        trust_clock=options.trust_clock,
        reply=parsing.one("--reply", options.reply, parse_word(Reply)),
    )
    if parsing.problems:
        raise ConfigError(tuple(parsing.problems))
    return answers


def _need(parsing: Parsing, is_given: object, option: str, message: str) -> None:
    if not is_given:
        parsing.problems.append(Problem(option, message))


def _parse_name(text: str) -> tuple[str, str]:
    language, equals, name = text.partition("=")
    if not (language and equals and name):
        raise ValueError(f'{text!r} is not LANGUAGE=NAME, such as "nl=Stad Gent"')
    return language.strip(), name.strip()


def _authority(options: argparse.Namespace, names: dict[str, str], *, is_new: bool) -> dict[str, object]:
    """Return the given fields of the authority. A new one has a time zone, and the languages of its names."""
    languages = [each.strip() for each in (options.languages or "").split(",") if each.strip()]
    if is_new and not languages:
        languages = list(names)
    fields = {
        "kind": options.kind,
        "names": names,
        "languages": languages,
        "time_zone": options.time_zone or (DEFAULT_ZONE if is_new else None),
        "contact": options.contact,
    }
    return {key: value for key, value in fields.items() if value}
