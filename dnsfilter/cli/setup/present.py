"""What the files hold now: shown at each run, and kept by an empty answer."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dnsfilter.cli.setup.config_file import Document

_MAIL = re.compile(r"^DNSFILTER_API_NOTICES_MAIL=smtps?://(?:[^?@\s]*@)?([^?/\s]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Present:
    """Values as the files write them. `authority` is empty unless the policy file holds exactly one."""

    listen: tuple[str, ...]
    upstreams: tuple[str, ...]
    zones: tuple[str, ...]
    authority: Mapping[str, Any]
    networks: tuple[str, ...]
    mail_server: str
    learning: str = ""

    def lines(self) -> Iterator[str]:
        """Yield one line for each value."""
        rows = {
            "listen": ", ".join(self.listen),
            "upstreams": ", ".join(self.upstreams),
            "zones": ", ".join(self.zones),
            "authority": str(self.authority.get("slug", "")),
            "networks": ", ".join(self.networks),
            "mail server": self.mail_server,
            "learning": self.learning,
        }
        for name, value in rows.items():
            yield f"  {name:<12} {value or '-'}"


def present_values(config: Document, policy: Document, environment: str) -> Present:
    """Return the values of the files. A faulty value is left out: the check reports it."""
    authorities, mail = _tables(policy, "authority"), _MAIL.search(environment)
    upstream, clients = config.get("upstream"), config.get("clients")
    servers = upstream.get("servers") if isinstance(upstream, dict) else None
    return Present(
        listen=_texts(config.get("listen")),
        upstreams=_texts(servers),
        zones=tuple(str(zone.get("suffix")) for zone in _tables(config, "zone")),
        authority=authorities[0] if len(authorities) == 1 else {},
        networks=tuple(str(network.get("prefix")) for network in _tables(policy, "range")),
        mail_server="" if mail is None else mail[1],
        learning=str(clients.get("learn_until", "")) if isinstance(clients, dict) else "",
    )


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (str(value),)
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _tables(document: Document, key: str) -> list[Mapping[str, Any]]:
    held = document.get(key)
    return [table for table in held if isinstance(table, dict)] if isinstance(held, list) else []
