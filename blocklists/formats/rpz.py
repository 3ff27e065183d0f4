"""Response policy zones: zone files and bare fragments. https://datatracker.ietf.org/doc/draft-vixie-dnsop-dns-rpz/

`x CNAME .` is exactly x, `*.x CNAME .` all below x. Our lists cannot leave out x itself, so `*.x` is read as x with all
below it.
"""

import re
from collections.abc import Iterable, Iterator

from blocklists.formats.items import LONG, MAX_LINE, Item, Parsed, Skip, item_text, parsed_name, skip

COMMENT = ";"
MAX_RECORD_LINES = 100
NOT_CLOSED = f"has a parenthesis that is not closed within {MAX_RECORD_LINES} lines"
DIRECTIVE = "is a directive that is not read"
NO_RECORD = "is not a record"
NO_OWNER = "has no owner, and no record above it has one"
TRIGGER = "is about addresses or name servers, not about a name"
EVERYTHING = "covers every name"
OWN_DATA = "answers with data of its own"
OTHER_ACTION = "asks for an action that has no counterpart here"
OUTSIDE = "is not in the zone"
UNKNOWN_ZONE = "ends in a dot, but nothing says the name of the zone"
_ACTIONS = {".": False, "*.": False, "rpz-drop.": False, "rpz-passthru.": True}
"""Targets that refuse or, if True, free a name."""
_TRIGGERS = frozenset({"rpz-ip", "rpz-client-ip", "rpz-nsdname", "rpz-nsip"})
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"?|;.*|[()]|(?:\\.?|[^\s"();\\])+').findall
_TTL_OR_CLASS = re.compile(r"\d[\dsmhdw]*|in|ch|hs", re.IGNORECASE).fullmatch


class _Zone:
    """What earlier lines said: the zone's name, the origin of relative names, the owner of the record before.

    Names have no final dot. None is unknown. `begun` is whether an SOA record was read.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self.origin: str | None = None
        self.owner: str | None = None
        self.begun = False

    def begin(self, owner: str) -> None:
        """Take the owner of the SOA record as the zone's name."""
        self.begun = True
        self.name = self.full(owner)

    def trigger(self, owner: str) -> tuple[str, str]:
        """Return the owner relative to the zone's name, empty for the zone itself, or why there is none."""
        if self.name is None and not self.begun:
            self.name = self.origin
        full = self.full(owner)
        if full is None:
            return ("" if owner == "@" else owner), ""
        if self.name is None:
            return (owner, UNKNOWN_ZONE) if self.begun else (full, "")
        if full == self.name or not self.name:
            return ("" if full == self.name else full), ""
        below = full.removesuffix(f".{self.name}")
        return (owner, OUTSIDE) if below == full else (below, "")

    def full(self, owner: str) -> str | None:
        """Return a name without its final dot, or None if it is relative and no origin is known."""
        if owner == "@":
            return self.origin
        if owner.endswith("."):
            return owner[:-1]
        if self.origin is None:
            return None
        return f"{owner}.{self.origin}" if self.origin else owner


def read_rpz(lines: Iterable[str], exact: bool | None = None) -> Iterator[Parsed]:
    """Yield the names. `exact` reads every record as exact, or every record as the name with all below it."""
    zone = _Zone()
    for record in _records(lines):
        if isinstance(record, Skip):
            yield record
            continue
        number, indented, words = record
        if words[0].startswith("$"):
            fault = _directive(zone, words)
            if fault:
                yield skip(number, " ".join(words), fault)
            continue
        if not indented:
            zone.owner = words.pop(0).lower()
        parsed = _rule(zone, number, words, exact)
        if parsed is not None:
            yield parsed


def rpz_line(item: Item) -> str:
    """Return the records of an item."""
    name, target = item_text(item), "rpz-passthru." if item.allow else "."
    return f"{name} CNAME {target}" if item.exact else f"{name} CNAME {target}\n*.{name} CNAME {target}"


def rpz_head(serial: int) -> str:
    """Return the records at the top of a zone. The server's configuration names the zone."""
    return f"$TTL 60\n@ SOA localhost. hostmaster.invalid. {serial} 3600 600 604800 60\n@ NS localhost."


def _records(lines: Iterable[str]) -> Iterator[tuple[int, bool, list[str]] | Skip]:
    """Yield each record's first line, whether that begins with a blank, and its words (RFC 1035 section 5.1)."""
    start, indented, is_open = 0, False, False
    words: list[str] = []
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            yield skip(number, line, LONG)
            continue
        if not is_open:
            start, indented, words = number, line[:1].isspace(), []
        for word in _words(line):
            if word in "()":
                is_open = word == "("
            else:
                words.append(word)
        if is_open and number - start >= MAX_RECORD_LINES:
            yield skip(start, " ".join(words), NOT_CLOSED)
            is_open = False
        elif not is_open and words:
            yield start, indented, words
    if is_open:
        yield skip(start, " ".join(words), NOT_CLOSED)


def _words(line: str) -> list[str]:
    if any(mark in line for mark in '";()\\'):
        return [word for word in _TOKEN(line) if word[0] != ";"]
    return line.split()


def _directive(zone: _Zone, words: list[str]) -> str:
    """Carry out a directive. Return why that is not possible, or an empty text."""
    match [words[0].upper(), *words[1:]]:
        case ["$ORIGIN", origin]:
            full = zone.full(origin.lower())
            zone.origin = origin.lower() if full is None else full
        case ["$TTL", _]:
            pass
        case _:
            return DIRECTIVE
    return ""


def _rule(zone: _Zone, number: int, words: list[str], exact: bool | None) -> Parsed | None:
    """Return what a record without its owner means. None for those that every zone has."""
    owner = zone.owner
    if owner is None:
        return skip(number, " ".join(words), NO_OWNER)
    while words and _TTL_OR_CLASS(words[0]):
        words = words[1:]
    if len(words) < 2:
        return skip(number, " ".join([owner, *words]), NO_RECORD)
    kind = words[0].upper()
    if kind == "SOA":
        zone.begin(owner)
    if kind in ("SOA", "NS"):
        return None
    trigger, fault = zone.trigger(owner)
    target = words[1].lower()
    fault = fault or _fault(trigger, kind, target)
    if fault:
        return skip(number, " ".join([owner, *words]), fault)
    return parsed_name(number, trigger, exact=exact is not False, allow=_ACTIONS[target])


def _fault(trigger: str, kind: str, target: str) -> str:
    """Return why a record refuses and frees no name, or an empty text."""
    if trigger.rpartition(".")[2] in _TRIGGERS:
        return TRIGGER
    if trigger == "*":
        return EVERYTHING
    if kind == "CNAME" and target in _ACTIONS:
        return "" if trigger else EVERYTHING
    return OTHER_ACTION if kind == "CNAME" and target.startswith("rpz-") else OWN_DATA
