"""Public resolvers by name: addresses, name of the certificate, and the page on which their operator publishes both.

Each is asked over TLS. Compare a row with its page before you change it.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

RESOLV_CONF: Final = "resolv.conf"


@dataclass(frozen=True, slots=True)
class Preset:
    """One resolver, with its addresses in the order in which they are asked."""

    page: str
    name: str
    addresses: tuple[str, ...]

    @property
    def servers(self) -> list[str]:
        """The servers as `[upstream] servers` has them."""
        return [f"tls://{address}#{self.name}" for address in self.addresses]


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "dns4eu": Preset(
            "https://www.joindns4.eu/for-public",
            "protective.joindns4.eu",
            ("86.54.11.1", "86.54.11.201", "[2a13:1001::86:54:11:1]", "[2a13:1001::86:54:11:201]"),
        ),
        "dns4eu-unfiltered": Preset(
            "https://www.joindns4.eu/for-public",
            "unfiltered.joindns4.eu",
            ("86.54.11.100", "86.54.11.200", "[2a13:1001::86:54:11:100]", "[2a13:1001::86:54:11:200]"),
        ),
        "quad9": Preset(
            "https://quad9.net/service/service-addresses-and-features/",
            "dns.quad9.net",
            ("9.9.9.9", "149.112.112.112", "[2620:fe::fe]", "[2620:fe::9]"),
        ),
        "cloudflare": Preset(
            "https://developers.cloudflare.com/1.1.1.1/encryption/dns-over-tls/",
            "one.one.one.one",
            ("1.1.1.1", "1.0.0.1", "[2606:4700:4700::1111]", "[2606:4700:4700::1001]"),
        ),
        "google": Preset(
            "https://developers.google.com/speed/public-dns/docs/dns-over-tls",
            "dns.google",
            ("8.8.8.8", "8.8.4.4", "[2001:4860:4860::8888]", "[2001:4860:4860::8844]"),
        ),
    }
)


def is_word(text: str) -> bool:
    """Return whether a text stands for servers: a preset, or "resolv.conf"."""
    return text == RESOLV_CONF or text in PRESETS


def servers_of_word(value: object) -> object:
    """Return the list of servers for a preset, None for "resolv.conf", and anything but a text as it is.

    Raise ValueError for another text.
    """
    if not isinstance(value, str):
        return value
    if value == RESOLV_CONF:
        return None
    if value not in PRESETS:
        raise ValueError(
            misplaced_word(value)
            or f'{value!r} is none of {", ".join(PRESETS)}: write a list of servers, or "{RESOLV_CONF}"'
        )
    return PRESETS[value].servers


def misplaced_word(text: str) -> str | None:
    """Return the fault of a preset among servers, or of a misspelled one. None for any other text."""
    if is_word(text):
        return f"{text!r} stands for several servers: write it alone"
    near = difflib.get_close_matches(text, PRESETS, 1)
    return f'{text!r} is none of {", ".join(PRESETS)}: did you mean "{near[0]}"?' if near else None
