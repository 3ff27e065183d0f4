"""What the files hold now: shown at each run, and kept by an empty answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dnsfilter.cli.setup.api_env import mail_address, mail_line
from dnsfilter.cli.setup.config_file import Document


@dataclass(frozen=True, slots=True)
class Present:
    """Values as the files write them. `authorities` are by slug, and `networks` are the labels by prefix."""

    listen: tuple[str, ...]
    upstreams: tuple[str, ...]
    zones: tuple[str, ...]
    authorities: Mapping[str, Mapping[str, Any]]
    networks: Mapping[str, str]
    mail_server: str
    learning: str = ""
    mail_from: str = ""
    mail_to: str = ""
    trust_clock: bool = False

    @property
    def slug(self) -> str:
        """The slug of the only authority, else an empty text."""
        return next(iter(self.authorities)) if len(self.authorities) == 1 else ""

    def lines(self) -> Iterator[str]:
        """Yield one line for each value."""
        rows = {
            "listen": ", ".join(self.listen),
            "upstreams": ", ".join(self.upstreams),
            "zones": ", ".join(self.zones),
            "authority": ", ".join(self.authorities),
            "networks": ", ".join(self.networks),
            "mail server": self.mail_server,
            "learning": self.learning,
        }
        for name, value in rows.items():
            yield f"  {name:<12} {value or '-'}"


def present_values(config: Document, policy: Document, environment: str) -> Present:
    """Return the values of the files. A faulty value is left out: the check reports it."""
    mail = mail_line(environment)
    upstream, clients = config.get("upstream"), config.get("clients")
    servers = upstream.get("servers") if isinstance(upstream, dict) else None
    return Present(
        listen=_texts(config.get("listen")),
        upstreams=_texts(servers),
        zones=tuple(str(zone["suffix"]) for zone in _tables(config, "zone", "suffix")),
        authorities={str(each["slug"]): each for each in _tables(policy, "authority", "slug")},
        networks={str(each["prefix"]): str(each.get("label", "")) for each in _tables(policy, "range", "prefix")},
        mail_server="" if mail is None else mail["host"],
        mail_from="" if mail is None else mail_address(mail, "from"),
        mail_to="" if mail is None else mail_address(mail, "to"),
        trust_clock=config.get("trust_clock") is True,
        learning=str(clients.get("learn_until", "")) if isinstance(clients, dict) else "",
    )


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (str(value),)
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _tables(document: Document, key: str, needed: str) -> list[Mapping[str, Any]]:
    held = document.get(key)
    return [table for table in held if isinstance(table, dict) and needed in table] if isinstance(held, list) else []
