"""Decisions, acts and reports as text for people. Pure.

A line has at most one statement. Times are RFC 3339 in UTC. Fields are shown under their own names, so that new fields
appear automatically.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from api.db.base import Json

INDENT = "  "
RULE = "-" * 72 + "\n"
_IN_HEAD = frozenset({"number", "authority", "service", "terms", "decision"})
_IN_TERM = frozenset({"start", "end", "through", "decision", "ended", "ended_reason", "ended_decision"})


@dataclass(frozen=True, slots=True)
class Ban:
    """A ban with its authority, bindings and exemptions, each as the API shows it."""

    ban: Json
    authority: Json
    bindings: Sequence[Json]
    exemptions: Sequence[Json]

    @property
    def reference(self) -> str:
        """Return `authority/service`."""
        return f"{self.ban['authority']}/{self.ban['service']}"

    @property
    def life(self) -> list[tuple[str, str]]:
        """Return the past and planned events of the ban, with their instants, in order."""
        return sorted(_life(self))

    @property
    def name(self) -> str:
        """Return the base name of the ban's report files."""
        return f"{self.ban['number']:06}-{self.ban['authority']}-{self.ban['service']}"

    @property
    def object(self) -> str:
        """Return the object name of acts on the ban itself. Removed bans of the same service have the same name."""
        return f"ban/{self.reference}"

    @property
    def objects(self) -> list[str]:
        """Return the object names of acts on the ban, its bindings and its exemptions."""
        bindings = [f"binding/{binding['number']}" for binding in self.bindings]
        return [self.object, *bindings, *(f"exemption/{item['number']}" for item in self.exemptions)]


def decisions(bans: Iterable[Ban]) -> Iterator[str]:
    """Return the text on all bans with their terms, bindings and exemptions."""
    yield "Bans by number, with their decisions, terms, bindings and exemptions.\n"
    for ban in bans:
        yield RULE
        yield from _dossier(ban)


def report(ban: Ban, acts: Iterable[Json]) -> Iterator[str]:
    """Return the history of one ban, from adoption to lapse."""
    yield from _dossier(ban)
    yield "\nHistory, as recorded so far\n"
    for at, what in ban.life:
        yield f"{INDENT}{at}  {what}\n"
    yield "\nUsage\n  No usage data is kept.\n"
    yield "\nActs, in the order in which they were recorded\n"
    for entry in acts:
        for line in act(entry):
            yield f"{INDENT}{line}"


def act(entry: Json) -> Iterator[str]:
    """Return the text on an entry of the audit log, with its changes."""
    who = f"account {entry['account']}" if entry["account"] else "the installation"
    token = f" {entry['token']}" if "token" in entry else ""
    request = f", request {entry['request']}" if entry["request"] else ""
    yield (
        f"{entry['seq']}  {entry['time']}  {who} ({entry['access']}{token}{request})  {entry['act']}  {entry['object']}"
        f"  revision {entry['revision']}\n"
    )
    yield from _changes(entry["before"], entry["after"])


def _life(ban: Ban) -> Iterator[tuple[str, str]]:
    for number, term in enumerate(ban.ban["terms"], start=1):
        yield term["recorded"], f"term {number} is recorded"
        yield from _span(f"term {number}", term)
        if term["review_by"] is not None:
            yield term["review_by"], f"term {number} is due for review"
    if ban.ban["off_until"] is not None:
        yield ban.ban["off_until"], f"the mode {ban.ban['returns_to']} returns"
    for binding in ban.bindings:
        name = f"binding {binding['number']} ({binding['authority']})"
        yield binding["recorded"], f"{name} is recorded"
        if binding["accepted"] is not None:
            yield binding["accepted"], f"{name} is accepted"
        yield from _span(name, binding)
    for exemption in ban.exemptions:
        name = f"exemption {exemption['number']}"
        for step in ("requested", "approved", "rejected", "revoked"):
            if exemption[step] is not None:
                yield exemption[step], f"{name} is {step}"
        if exemption["approved"] is not None:
            yield exemption["start"], f"{name} begins"
        if exemption["approved"] is not None and exemption["revoked"] is None:
            yield exemption["end"], f"{name} ends"


def _span(name: str, item: Json) -> Iterator[tuple[str, str]]:
    yield item["start"], f"{name} begins"
    if item["ended"] is not None:
        yield item["ended"], f"{name} ends early: {item['ended_reason']}"
    elif item["end"] is not None:
        yield item["end"], f"{name} ends"


def _dossier(ban: Ban) -> Iterator[str]:
    names = "; ".join(f"{name} ({language})" for language, name in ban.authority["names"].items())
    yield f"Ban {ban.ban['number']}: {ban.reference}\n"
    yield f"{INDENT}authority: {ban.ban['authority']}, {names}\n"
    yield f"{INDENT}service: {ban.ban['service']}\n"
    yield from _fields({key: value for key, value in ban.ban.items() if key not in _IN_HEAD}, 1)
    yield "\nDecision\n"
    yield from _fields(ban.ban["decision"], 1) if any(ban.ban["decision"].values()) else (f"{INDENT}none recorded\n",)
    yield "\nTerms\n"
    for number, term in enumerate(ban.ban["terms"], start=1):
        yield from _term(number, term)
    for title, items in (("Bindings", ban.bindings), ("Exemptions", ban.exemptions)):
        yield f"\n{title}\n"
        for item in items:
            yield f"{INDENT}{title.lower()[:-1]} {item['number']}\n"
            yield from _fields({key: value for key, value in item.items() if key not in ("number", "ban_number")}, 2)
        if not items:
            yield f"{INDENT}none\n"


def _term(number: int, term: Json) -> Iterator[str]:
    end = "without an end" if term["end"] is None else f"to {term['end']}"
    through = f" (the last day is {term['through']})" if term["through"] else ""
    yield f"{INDENT}{number}. from {term['start']} {end}{through}\n"
    if term["ended"] is not None:
        yield f"{INDENT * 2}ended early at {term['ended']}: {term['ended_reason']}\n"
    yield from _fields({key: value for key, value in term.items() if key not in _IN_TERM}, 2)
    for key in ("decision", "ended_decision"):
        if term[key] and any(term[key].values()):
            yield from _fields({key: term[key]}, 2)


def _fields(value: Mapping[str, object], depth: int) -> Iterator[str]:
    """Return a line per non-empty field, with its name."""
    for key, inner in value.items():
        label = f"{INDENT * depth}{key.replace('_', ' ')}"
        if inner is None or inner in ("", [], {}):
            continue
        if isinstance(inner, Mapping):
            yield f"{label}\n"
            yield from _fields(inner, depth + 1)
        else:
            yield f"{label}: {_value(inner)}\n"


def _changes(before: Json | None, after: Json | None) -> Iterator[str]:
    was, became = before or {}, after or {}
    for key in sorted(was.keys() | became.keys()):
        if was.get(key) != became.get(key):
            old = f"{_json(was[key])} -> " if key in was and before is not None and after is not None else ""
            new = _json(became.get(key)) if after is not None else f"{_json(was[key])} (removed)"
            yield f"{INDENT * 2}{key}: {old}{new}\n"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
