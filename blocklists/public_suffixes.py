"""The Public Suffix List, its private section too: names below which unrelated parties register names of their own.

The package `publicsuffixlist` brings the list, so that a release has one. Rules are explained at
https://github.com/publicsuffix/list/wiki/Format.
"""

from dataclasses import dataclass
from pathlib import Path

from publicsuffixlist import PSLFILE

from dnsfilter.policy.model import WireName
from dnsfilter.wire.names import parent, parse_name

_WILDCARD = "*."
_EXCEPTION = "!"


@dataclass(frozen=True, slots=True)
class PublicSuffixes:
    """The list as wire names. Below each of `wildcards` every name is a suffix, except `exceptions`.

    `names` has the names above wildcards too: the list's own tests count `kobe.jp` because of `*.kobe.jp`.
    """

    names: frozenset[WireName]
    wildcards: frozenset[WireName]
    exceptions: frozenset[WireName]

    def has(self, name: WireName) -> bool:
        """Return whether the list calls a name a public suffix."""
        return name in self.names or (parent(name) in self.wildcards and name not in self.exceptions)


def load_public_suffixes() -> PublicSuffixes:
    """Read the list of the installed package."""
    names: set[WireName] = set()
    wildcards: set[WireName] = set()
    exceptions: set[WireName] = set()
    for line in Path(PSLFILE).read_text(encoding="utf-8").splitlines():
        rule = line.partition(" ")[0]
        if not rule or rule.startswith("//"):
            continue
        text = rule.removeprefix(_EXCEPTION).removeprefix(_WILDCARD)
        name = parse_name(text.encode("idna").decode("ascii"))
        if rule.startswith(_EXCEPTION):
            exceptions.add(name)
            continue
        names.add(name)
        if rule.startswith(_WILDCARD):
            wildcards.add(name)
    return PublicSuffixes(frozenset(names), frozenset(wildcards), frozenset(exceptions))
