"""Pages of a long audit log over HTTP: `python -m tests.bench.audit` prints how long a page of 50 entries takes.

Each case has a new process. Each request has its own connection and a random cursor where possible. Each case runs
twice: with the page cache as it is, and with the database's file dropped from it before every request.
"""

import argparse
import http.client
import json
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from api.audit.signing_key import make_signing_key
from api.auth.roles import Role
from api.auth.tokens import load_key, make_first_token, make_key, new_token
from api.chain.entry_hash import entry_hash
from api.db.models import AccountRow, AuthorityRow, GrantRow, TokenRow
from api.db.session import Database
from api.db.unit_of_work import head
from api.http.pagination import encode_cursor
from api.timestamps import timestamp_text
from tests.support.control_planes import Api
from tests.support.many_authorities import policy_text

ENTRIES, SAMPLES = 1_000_000, 100
AUTHORITIES, ACCOUNTS, SERVICES = 500, 1_000, 40
EVERY_S = 100
BUSY_SHARE = 0.1
"""The share of the entries that concern the busiest authority."""
QUIET_BEFORE, RARE_EVERY = 100, 50_000
"""The last entry of the quietest authority, and the interval in entries of a rare act."""
ACTS = {"ban.set_off": 35, "ban.set_enforce": 35, "ban.change": 10, "range.change": 10, "exemption.approve": 10}
RARE = "authority.remove"
GOAL_MS = 50.0
BATCH = 10_000

Json = dict[str, Any]


def slug_of(number: int) -> str:
    """Return the slug of an authority, from 0 (the busiest) to the quietest."""
    return f"body-{number:03}"


BUSIEST, USUAL, QUIETEST = slug_of(0), slug_of(7), slug_of(AUTHORITIES - 1)


@dataclass(frozen=True, slots=True)
class Record:
    """A database with a long audit log, and its tokens: one for all entries, and one for each of three authorities."""

    entries: int
    first_s: int
    tokens: Mapping[str, str]


def make_record(state: Path, entries: int) -> Record:
    """Put a database with `entries` entries into a state directory. The control plane's chain links them."""
    state.mkdir(parents=True)
    path = state / "dnsfilter.sqlite3"
    database = Database(f"sqlite:///{path}", create=True)
    database.migrate()
    first_s = int(time.time()) - entries * EVERY_S
    make_key(state / "token-key")
    for name in ("snapshot-key", "checkpoint-key"):
        make_signing_key(state / name)
    key = load_key(state / "token-key")
    make_first_token(database, key, state / "admin-token", first_s)
    with database.writing() as session:
        session.add_all(_authority(number) for number in range(AUTHORITIES))
        tokens = {"": (state / "admin-token").read_text().strip()}
        session.flush()
        for slug in (BUSIEST, USUAL, QUIETEST):
            fresh = new_token(key)
            tokens[slug] = fresh.text
            account = AccountRow(kind="service", authority=slug, created_s=first_s, disabled_s=None, revision=0)
            session.add(account)
            session.flush()
            session.add_all(
                [_grant(account.id, slug, first_s), _token(account.id, fresh.public, fresh.digest, first_s)]
            )
    with database.reading() as session:
        seq, last = head(session)
    database.close()
    with closing(sqlite3.connect(path)) as connection:
        _fill(connection, _entries(seq, last, entries, first_s))
    return Record(entries, first_s, tokens)


def _fill(connection: sqlite3.Connection, entries: Iterator[Json]) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")
    columns = [row[1] for row in connection.execute("PRAGMA table_info(audit)")]
    insert = f"INSERT INTO audit ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    while batch := list(islice(entries, BATCH)):
        connection.executemany(insert, ([_stored(entry[name]) for name in columns] for entry in batch))
        matters = ((slug, entry["seq"]) for entry in batch for slug in entry["authorities"])
        connection.executemany("INSERT INTO matters (authority, seq) VALUES (?, ?)", matters)
        connection.commit()
        print(f"{batch[-1]['seq']:,} entries made", file=sys.stderr, end="\r")


def _stored(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _entries(made: int, last: str, count: int, first_s: int) -> Iterator[Json]:
    """Yield entries that follow on that one. Apart from their times they are always the same."""
    draw = random.Random(count)
    acts, weights = list(ACTS), list(ACTS.values())
    for seq in range(made + 1, count + 1):
        time_s = first_s + seq * EVERY_S
        number = 0 if draw.random() < BUSY_SHARE else draw.randrange(1, AUTHORITIES - 1)
        slug = QUIETEST if seq < QUIET_BEFORE else slug_of(number)
        act = RARE if seq % RARE_EVERY == 0 else draw.choices(acts, weights)[0]
        service = f"service-{draw.randrange(SERVICES)}"
        entry = {
            "seq": seq,
            "time": timestamp_text(time_s),
            "account": draw.randrange(1, ACCOUNTS),
            "access": "token",
            "token": 1,
            "request": f"{draw.getrandbits(96):024x}",
            "act": act,
            "object": f"{act.partition('.')[0]}/{slug}/{service}",
            "authorities": [slug],
            "before": _ban(slug, service, "off" if act == "ban.set_enforce" else "enforce"),
            "after": _ban(slug, service, "enforce" if act == "ban.set_enforce" else "off"),
            "revision": seq,
            "previous": last,
        }
        last = entry_hash(entry)
        yield {**entry, "time_s": time_s, "hash": last}


def _ban(slug: str, service: str, mode: str) -> Json:
    decision = {"organ": "college", "reference": f"C-{slug}", "date": "2023-03-24", "legal_basis": "decree 1"}
    term = {"start": "2026-11-24T23:00:00Z", "end": "2027-05-24T22:00:00Z", "decision": decision, "ended": None}
    return {
        "number": 18,
        "authority": slug,
        "service": service,
        "mode": mode,
        "reply": "refused",
        "tiers": [1, 2],
        "funding": ["partly_public", "public"],
        "audience": ["staff"],
        "decision": decision,
        "terms": [term],
        "provisional": False,
    }


def _authority(number: int) -> AuthorityRow:
    return AuthorityRow(
        slug=slug_of(number),
        kind="municipality",
        names={"nl": f"Stad {number}"},
        languages=["nl"],
        time_zone="Europe/Brussels",
        contact="ict@example.org",
        usage="none",
        group="",
        revision=0,
    )


def _grant(account: int, slug: str, now_s: int) -> GrantRow:
    return GrantRow(
        account=account,
        role=str(Role.READER),
        authority=slug,
        start_s=now_s,
        end_s=None,
        reason="for a measurement",
        recorded_s=now_s,
        recorded_by=0,
        ended_s=None,
        ended_reason="",
        revision=0,
    )


def _token(account: int, public: str, digest: str, now_s: int) -> TokenRow:
    return TokenRow(
        public=public,
        account=account,
        label="measurement",
        digest=digest,
        roles=[],
        authorities=[],
        created_s=now_s,
        expires_s=None,
        revoked_s=None,
        used_day=None,
    )


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of query: the account (empty: one that sees everything), and a function that draws the query."""

    title: str
    reader: str
    query: Callable[[random.Random, Record], Mapping[str, str | int]]


def _from(draw: random.Random, record: Record) -> Json:
    return {"cursor": encode_cursor(draw.randrange(record.entries // 10, record.entries))}


def _fixed(**query: str | int) -> Callable[[random.Random, Record], Json]:
    return lambda draw, record: {**_from(draw, record), **query}


def _a_week(draw: random.Random, record: Record) -> Json:
    since = record.first_s + draw.randrange(record.entries) * EVERY_S
    days = [datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (since, since + 7 * 86_400)]
    return {"since": days[0], "until": days[1]}


def _ban_of(draw: random.Random, slug: str) -> str:
    return f"ban/{slug}/service-{draw.randrange(SERVICES)}"


CASES = (
    Case("newest", "", lambda draw, record: {}),
    Case("from anywhere", "", _from),
    Case("from anywhere, oldest first", "", _fixed(sort="seq")),
    Case("a frequent act", "", _fixed(act="ban.set_off")),
    Case("a rare act", "", _fixed(act=RARE)),
    Case("acts on bans", "", _fixed(act="ban")),
    Case("acts on authorities, rare", "", _fixed(act="authority")),
    Case("an object", "", lambda draw, record: {"object": _ban_of(draw, USUAL)}),
    Case("an account", "", lambda draw, record: {**_from(draw, record), "account": draw.randrange(1, ACCOUNTS)}),
    Case("a frequent act of an account", "", _fixed(act="ban.set_off", account=7)),
    Case("a rare act of an account", "", _fixed(act=RARE, account=7)),
    Case("a week", "", _a_week),
    Case("a rare act in a week", "", lambda draw, record: {**_a_week(draw, record), "act": RARE}),
    Case(
        "an authority", "", lambda draw, record: {**_from(draw, record), "authority": slug_of(draw.randrange(1, 499))}
    ),
    Case("reader of a usual authority", USUAL, _from),
    Case("reader of the busiest authority", BUSIEST, _from),
    Case("reader of the busiest, oldest first", BUSIEST, _fixed(sort="seq")),
    Case("reader of the quietest authority", QUIETEST, lambda draw, record: {}),
    Case("reader of the busiest, a frequent act", BUSIEST, _fixed(act="ban.set_off")),
    Case("reader of the busiest, a rare act", BUSIEST, _fixed(act=RARE)),
    Case("reader of the busiest, acts on bans", BUSIEST, _fixed(act="ban")),
    Case("reader of the busiest, an object", BUSIEST, lambda draw, record: {"object": _ban_of(draw, BUSIEST)}),
    Case("reader of the busiest, an account", BUSIEST, _fixed(account=7)),
    Case("reader of the busiest, a week", BUSIEST, _a_week),
    Case("reader of the busiest, another's object", BUSIEST, lambda draw, record: {"object": _ban_of(draw, USUAL)}),
)


def measure(api: Api, record: Record, case: Case, samples: int, *, forgotten: bool) -> list[float]:
    """Return the milliseconds of each request, from the start of its connection to the last byte of its answer."""
    draw = random.Random(case.title)
    found = []
    headers = {"Authorization": f"Bearer {record.tokens[case.reader]}"}
    for _ in range(samples):
        path = "/v1/audit?" + urlencode({**case.query(draw, record), "limit": 50})
        if forgotten:
            _forget(api.state / "dnsfilter.sqlite3")
        begun = time.perf_counter()
        with closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=120)) as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        found.append(1000 * (time.perf_counter() - begun))
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status} {body.decode()}")
    return found


def _forget(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    return sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Return 1 if a case misses the goal."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.audit", description=__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES, help="number of entries (%(default)s)")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="requests of each case (%(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="the cases whose title holds it")
    parser.add_argument("--state", type=Path, help="keep the database here, or take the one that is here")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="audit-") as made:
        directory = options.state or Path(made)
        record = _kept(directory / "state", options.entries)
        cases = [case for case in CASES if options.only in case.title]
        beyond = _table(directory, record, cases, options.samples)
    print(f"goal: p95 of {GOAL_MS:g} ms, page cache as it is; beyond it: {', '.join(beyond) or 'none'}")
    return 1 if beyond else 0


class _Installed(Api):
    """The installed program, because the memory of a fork has another layout."""

    is_forked = False


def _table(directory: Path, record: Record, cases: Sequence[Case], samples: int) -> list[str]:
    """Print a line for each case. Return the titles of those that miss the goal."""
    beyond = []
    print("| 50 of the entries | p50 ms | p95 ms | p95 ms, file forgotten |\n|---|---:|---:|---:|", flush=True)
    for case in cases:
        with _Installed(directory, policy_text(1)) as api:
            warm = measure(api, record, case, samples, forgotten=False)
            cold = measure(api, record, case, max(1, samples // 4), forgotten=True)
        p95 = quantile(warm, 0.95)
        beyond += [case.title] if p95 > GOAL_MS else []
        print(f"| {case.title} | {quantile(warm, 0.5):.1f} | {p95:.1f} | {quantile(cold, 0.95):.1f} |", flush=True)
    return beyond


def _kept(state: Path, entries: int) -> Record:
    """Return the record of a state directory, made if missing."""
    notes = state / "record.json"
    if notes.exists():
        return Record(**json.loads(notes.read_text()))
    record = make_record(state, entries)
    notes.write_text(json.dumps({"entries": record.entries, "first_s": record.first_s, "tokens": dict(record.tokens)}))
    return record


if __name__ == "__main__":
    sys.exit(main())
