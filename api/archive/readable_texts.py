"""Decisions, acts and reports as text for people. Pure.

A line has at most one statement. Times are RFC 3339 in UTC. Fields are shown under their own names, so that new fields
appear automatically.
"""

import json
from collections.abc import Iterable, Iterator, Mapping

from api.db.base import Json
from api.report.dossier import Dossier
from api.usage.state import RESULTS

INDENT = "  "
RULE = "-" * 72 + "\n"
_IN_HEAD = frozenset({"number", "authority", "service", "terms", "decision"})
_IN_TERM = frozenset({"start", "end", "through", "decision", "ended", "ended_reason", "ended_decision"})


def decisions(bans: Iterable[Dossier]) -> Iterator[str]:
    """Return the text on all bans with their terms, bindings and exemptions."""
    yield "Bans by number, with their decisions, terms, bindings and exemptions.\n"
    for ban in bans:
        yield RULE
        yield from _dossier(ban)


def lists(found: Iterable[Json], links: Iterable[Json]) -> Iterator[str]:
    """Return the text on all prohibited lists with their versions, and on their links to other authorities."""
    yield f"{RULE}\nProhibited lists by number, with the decisions behind their versions, and their links.\n"
    for item in found:
        yield f"{RULE}Prohibited list {item['number']}: {item['authority']}/{item['slug']}\n"
        yield from _fields({key: value for key, value in item.items() if key not in ("number", "versions")}, 1)
        for version in item["versions"]:
            yield f"{INDENT}version {version['version']}\n"
            yield from _fields({key: value for key, value in version.items() if key not in ("version", "terms")}, 2)
            for term in version["terms"]:
                yield f"{INDENT * 2}term\n"
                yield from _fields(term, 3)
    for link in links:
        yield f"{RULE}Link {link['number']} of {link['list']} to {link['authority']}\n"
        yield from _fields({key: value for key, value in link.items() if key != "number"}, 1)


def services(found: Iterable[Json]) -> Iterator[str]:
    """Return the text on all own services. Their names are in services.json alone: there may be a million."""
    yield f"{RULE}\nServices that authorities defined. services.json lists their names.\n"
    for item in found:
        yield f"{RULE}Service {item['slug']}: {item['name']}\n"
        yield from _fields({key: value for key, value in item.items() if key not in ("slug", "name", "tiers")}, 1)
        for tier in item["tiers"]:
            yield f"{INDENT}tier {tier['number']}: {len(tier['domains']) + len(tier['hosts'])} names\n"


def report(ban: Dossier, usage: Iterable[Json], acts: Iterable[Json]) -> Iterator[str]:
    """Return the history of one ban, from adoption to lapse."""
    yield from _dossier(ban)
    yield "\nHistory, as recorded so far\n"
    for at, what in ban.life:
        yield f"{INDENT}{at}  {what}\n"
    yield "\nUsage, as far as it is kept: queries by calendar month; numbers from 1 to 4 are shown as <5\n"
    yield from _usage(usage)
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


def _dossier(ban: Dossier) -> Iterator[str]:
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


def _usage(usage: Iterable[Json]) -> Iterator[str]:
    known = False
    for found in usage:
        known = True
        yield f"{INDENT}{found['authority']}, {found['ground']}\n"
        for month in found["months"]:
            yield f"{INDENT * 2}{month['first']} through {month['last']}: {_counts(month)}\n"
        yield f"{INDENT * 2}total: {_counts(found['total'])}\n"
    if not known:
        yield f"{INDENT}none\n"


def _counts(counts: Json) -> str:
    return ", ".join(f"{result} {_number(counts[result])}" for result in RESULTS)


def _number(figure: Json) -> str:
    if figure["queries"] is not None:
        return str(figure["queries"])
    return f"<{figure['below']}" if figure["below"] is not None else f"{figure['at_least']}-{figure['at_most']}"


def _fields(value: Mapping[str, object], depth: int) -> Iterator[str]:
    """Return a line per non-empty field, with its name."""
    for key, inner in value.items():
        label = f"{INDENT * depth}{key.replace('_', ' ')}"
        if inner is None or inner in ("", [], {}):
            continue
        if isinstance(inner, Mapping):
            if not any(inner.values()):
                continue
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
