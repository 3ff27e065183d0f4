"""Any sequence of acts: the oracle, the compiled snapshot and a plain list of what was decided agree at every instant.

The list is kept here, from what was asked and whether it was done, and knows nothing of the program. No sequence
rewrites what has begun.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from api.db.unit import LOCAL, UnitOfWork
from api.publish.repository import Policies
from api.publish.source import policy_of
from dnsfilter.policy.decide import decide
from dnsfilter.wire.names import parse_name
from tests.unit.api.conftest import Plane, authority, catalogue, make_plane

SLUGS = ("town", "zone", "city")
SERVICES = ("alpha", "beta")
NAME = {service: parse_name(f"www.{service}1.example.org") for service in SERVICES}
RANGES = {
    "192.0.2.0/24": ("town", "public", "staff"),
    "192.0.2.128/25": ("town", "private", "public"),
    "198.51.100.0/24": ("zone", "public", "staff"),
    "203.0.113.0/24": ("city", "partly_public", "staff"),
}
COVERED = ({"public", "partly_public"}, {"staff"})
EXAMPLES = int(os.environ.get("DNSFILTER_EXAMPLES", "12"))
LOST: dict[str, tuple[str, str, Any]] = {
    "toggle": ("PATCH", "/v1/authorities/{slug}/bans/{service}", {"mode": "monitor", "reply": "nxdomain"}),
    "end": ("POST", "/v1/authorities/{slug}/bans/{service}/end", {"reason": "it is lifted"}),
    "adoption": ("PUT", "/v1/authorities/{slug}/bans/{service}", {"provisional": True}),
    "removal": ("DELETE", "/v1/authorities/{slug}/bans/{service}", None),
    "range": ("DELETE", "/v1/ranges/default/192.0.2.128/25", None),
    "registration": ("PUT", "/v1/authorities/{slug}", authority(time_zone="Europe/Brussels")),
}
"""Acts of which nothing is left."""
HOUR, DAY = 3600, 86_400
FOREVER = 2**62
MINUTE = 60

slugs = st.sampled_from(SLUGS)
services = st.sampled_from(SERVICES)
modes = st.sampled_from(("enforce", "monitor", "off"))
prefixes = st.sampled_from(sorted(RANGES))
days = st.integers(0, 5)
lengths = st.integers(1, 9)


def text(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def second(moment: str | None) -> int:
    return FOREVER if moment is None else int(datetime.fromisoformat(moment).timestamp())


@dataclass
class Span:
    """From when until when something was decided to hold, since when it could, and whether it was cut short."""

    start: int
    end: int = FOREVER
    known: int = 0

    def holds(self, at: int) -> bool:
        return max(self.start, self.known) <= at < self.end

    @property
    def edges(self) -> tuple[int, ...]:
        return (self.start, self.known, self.end)


@dataclass
class Ban:
    """A ban as it was asked for."""

    owner: str
    service: str
    mode: str
    terms: list[Span]
    covered: tuple[set[str], set[str]] = COVERED
    bound: dict[int, tuple[str, str, Span]] = field(default_factory=dict)
    """By number, the bound authority, the ground, and when."""
    exempted: dict[int, tuple[str, Span]] = field(default_factory=dict)
    """By number, the range and when; before an approval its `known` is FOREVER."""


class Acts(RuleBasedStateMachine):
    """One control plane, its acts, and the list."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = TemporaryDirectory()
        self.plane: Plane = make_plane(Path(self._directory.name) / "state")
        self.services = {service.slug: service for service in catalogue().services}
        self.bans: dict[tuple[str, str], Ban] = {}
        self.suspended: dict[int, tuple[str | None, Span]] = {}
        self.begun: dict[object, Any] = {}

    def teardown(self) -> None:
        self.plane.database.close()
        self._directory.cleanup()

    @property
    def now(self) -> int:
        return int(self.plane.clock.now)

    def act(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        """The answer of an act that was done; None for one that is refused, which then has changed nothing."""
        before = self.plane.revision()
        response = self.plane.call(method, path, body, token=token)
        assert response.status_code < 500, response.text
        if response.is_success:
            return response.json() if response.content else {}
        assert self.plane.revision() == before
        return None

    @initialize()
    def begin(self) -> None:
        self.plane.publisher.publish_current()
        for slug in SLUGS:
            self.plane.done("PUT", f"/v1/authorities/{slug}", authority(time_zone="UTC"))
        for prefix, (owner, funding, audience) in RANGES.items():
            body = {"authority": owner, "funding": funding, "audience": audience}
            self.plane.done("PUT", f"/v1/ranges/default/{prefix}", body)
        self.other = self.plane.other()
        # Another process on the same database: it does no act, and has to learn of each.
        self.beside = Policies()

    # Time.

    @rule(span=st.sampled_from((1, MINUTE, HOUR, DAY, 3 * DAY)))
    def wait(self, span: int) -> None:
        self.plane.clock.now += span

    @rule(place=st.integers(0, 10_000))
    def wait_for_an_edge(self, place: int) -> None:
        ahead = sorted({edge for edge in self.edges() if self.now < edge < self.now + 30 * DAY})
        if ahead:
            self.plane.clock.now = ahead[place % len(ahead)]

    # Bans.

    @rule(
        slug=slugs,
        service=services,
        mode=modes,
        start=st.integers(-3, 3),
        length=lengths,
        open_=st.booleans(),
    )
    def adopt(self, slug: str, service: str, mode: str, start: int, length: int, open_: bool) -> None:
        first = self.now + start * DAY
        last = FOREVER if open_ else first + length * DAY
        term = {"start": text(first), **({"review_by": text(first + DAY)} if open_ else {"end": text(last)})}
        if (slug, service) in self.bans:
            return
        body = {"mode": mode, "decision": _decision("1"), "terms": [term]}
        if self.act("PUT", f"/v1/authorities/{slug}/bans/{service}", body) is not None:
            self.bans[slug, service] = Ban(slug, service, mode, [Span(first, last, self.now)])

    @rule(slug=slugs, service=services)
    def adopt_provisionally(self, slug: str, service: str) -> None:
        if (slug, service) in self.bans:
            return
        if self.act("PUT", f"/v1/authorities/{slug}/bans/{service}", {"provisional": True}) is not None:
            span = Span(self.now, self.now + 72 * HOUR, self.now)
            self.bans[slug, service] = Ban(slug, service, "enforce", [span])

    @rule(slug=slugs, source=slugs, service=services)
    def follow(self, slug: str, source: str, service: str) -> None:
        if (slug, service) in self.bans:
            return
        body = {"decision": {**_decision("2"), "follows": f"{source}/{service}"}}
        if self.act("PUT", f"/v1/authorities/{slug}/bans/{service}", body) is not None:
            copied = self.bans[source, service]
            terms = [Span(span.start, span.end, self.now) for span in copied.terms if span.end > self.now]
            self.bans[slug, service] = Ban(slug, service, "enforce", terms, copied.covered)

    @rule(slug=slugs, service=services, mode=modes)
    def toggle(self, slug: str, service: str, mode: str) -> None:
        body = {"mode": mode, "mode_reason": "so decided"}
        if self.act("PATCH", f"/v1/authorities/{slug}/bans/{service}", body) is not None:
            self.bans[slug, service].mode = mode

    @rule(slug=slugs, service=services, funding=st.sampled_from(("public", "partly_public", "private")))
    def change_scope(self, slug: str, service: str, funding: str) -> None:
        body = {"funding": [funding], "audience": ["staff", "public"]}
        if self.act("PATCH", f"/v1/authorities/{slug}/bans/{service}", body) is not None:
            self.bans[slug, service].covered = ({funding}, {"staff", "public"})

    @rule(slug=slugs, service=services, start=st.integers(-2, 6), length=lengths)
    def renew(self, slug: str, service: str, start: int, length: int) -> None:
        first = self.now + start * DAY
        last = first + length * DAY
        body = {"start": text(first), "end": text(last), "decision": _decision("3")}
        if self.act("POST", f"/v1/authorities/{slug}/bans/{service}/terms", body) is not None:
            self.bans[slug, service].terms.append(Span(first, last, self.now))

    @rule(slug=slugs, service=services, after=days)
    def end(self, slug: str, service: str, after: int) -> None:
        at = self.now + after * DAY
        body = {"at": text(at), "reason": "it is lifted"}
        if self.act("POST", f"/v1/authorities/{slug}/bans/{service}/end", body) is not None:
            terms = self.bans[slug, service].terms
            terms[:] = [span for span in terms if span.start <= self.now or span.start < at]
            for span in terms:
                span.end = min(span.end, max(at, span.start + 1)) if span.end > at else span.end

    @rule(slug=slugs, service=services, what=st.sampled_from(sorted(LOST)), mode=modes)
    def lose(self, slug: str, service: str, what: str, mode: str) -> None:
        """The database fails at the last moment, and the next act has the revision of the lost one."""
        method, path, body = LOST[what]

        def refuse(_connection: object) -> None:
            raise OperationalError("COMMIT", None, Exception("disk I/O error"))

        before = self.plane.revision()
        event.listen(self.plane.database.engine, "commit", refuse)
        try:
            answer = self.plane.call(method, path.format(slug=slug, service=service), body)
        finally:
            event.remove(self.plane.database.engine, "commit", refuse)
        assert not answer.is_success
        assert self.plane.revision() == before
        self.toggle(slug, service, mode)

    # Elsewhere.

    @rule(slug=slugs, service=services, to=slugs, law=st.booleans(), start=days, length=lengths)
    def bind(self, slug: str, service: str, to: str, law: bool, start: int, length: int) -> None:
        first, ground = self.now + start * DAY, "law" if law else "agreement"
        last = first + length * DAY
        body = {
            "ban": f"{slug}/{service}",
            "authority": to,
            "ground": ground,
            "instrument": "letter 1",
            "start": text(first),
            "end": text(last),
        }
        made = self.act("POST", "/v1/bindings", body)
        if made is not None:
            known = self.now if law else FOREVER
            self.bans[slug, service].bound[made["number"]] = (to, ground, Span(first, last, known))

    @rule(place=st.integers(0, 100), verb=st.sampled_from(("accept", "withdraw", "end")), after=days)
    def go_on_with_a_binding(self, place: int, verb: str, after: int) -> None:
        known = [(ban, number) for ban in self.bans.values() for number in ban.bound]
        if not known:
            return
        ban, number = known[place % len(known)]
        _, ground, span = ban.bound[number]
        at = self.now + after * DAY
        body = None if verb == "accept" else {"at": text(at), "reason": "so decided"}
        if self.act("POST", f"/v1/bindings/{number}/{verb}", body) is None:
            return
        if verb == "accept":
            span.known = min(span.known, self.now)
        else:
            assert (verb, ground) != ("withdraw", "law")
            span.end = at

    @rule(slug=slugs, service=services, prefix=prefixes, start=days, length=lengths)
    def ask_for_an_exemption(self, slug: str, service: str, prefix: str, start: int, length: int) -> None:
        first = self.now + start * DAY
        last = first + length * DAY
        body = {
            "ban": f"{slug}/{service}",
            "ranges": [prefix],
            "start": text(first),
            "end": text(last),
            "reason": "promotion",
        }
        made = self.act("POST", "/v1/exemptions", body)
        if made is not None:
            self.bans[slug, service].exempted[made["number"]] = (prefix, Span(first, last, FOREVER))

    @rule(place=st.integers(0, 100), verb=st.sampled_from(("approve", "approve", "reject", "revoke")))
    def decide_about_an_exemption(self, place: int, verb: str) -> None:
        known = [(ban, number) for ban in self.bans.values() for number in ban.exempted]
        if not known:
            return
        ban, number = known[place % len(known)]
        _, span = ban.exempted[number]
        body = None if verb == "approve" else {"reason": "so decided"}
        if self.act("POST", f"/v1/exemptions/{number}/{verb}", body, token=self.other) is None:
            return
        if verb == "approve":
            span.known = min(span.known, self.now)
        else:
            span.end = min(span.end, self.now)

    # The emergency switch.

    @rule(slug=st.sampled_from((*SLUGS, None)), minutes=st.integers(1, 240))
    def suspend(self, slug: str | None, minutes: int) -> None:
        body = {"authority": slug, "for": f"{minutes}m", "reason": "nothing works"}
        made = self.act("POST", "/v1/suspensions", body)
        if made is not None:
            self.suspended[made["number"]] = (slug, Span(second(made["start"]), second(made["end"]), self.now))

    @rule(place=st.integers(0, 100))
    def end_a_suspension(self, place: int) -> None:
        if not self.suspended:
            return
        number = sorted(self.suspended)[place % len(self.suspended)]
        if self.act("POST", f"/v1/suspensions/{number}/end", {"reason": "it works again"}) is not None:
            _, span = self.suspended[number]
            span.end = min(span.end, max(self.now, span.start + 1))

    # What holds.

    def edges(self) -> Iterator[int]:
        for ban in self.bans.values():
            spans = [*ban.terms, *(one[-1] for one in ban.bound.values()), *(one[-1] for one in ban.exempted.values())]
            for span in spans:
                yield from span.edges
        for _, span in self.suspended.values():
            yield from span.edges

    def verdict(self, prefix: str, service: str, at: int) -> str:
        """What the list says."""
        owner, funding, audience = RANGES[prefix]
        if any(slug in (None, owner) and span.holds(at) for slug, span in self.suspended.values()):
            return "pass"
        found = set()
        for ban in self.bans.values():
            bound = any(to == owner and span.holds(at) for to, _, span in ban.bound.values())
            if ban.service != service or not (ban.owner == owner or bound) or ban.mode == "off":
                continue
            if funding not in ban.covered[0] or audience not in ban.covered[1]:
                continue
            if not any(span.holds(at) for span in ban.terms):
                continue
            if any(where == prefix and span.holds(at) for where, span in ban.exempted.values()):
                continue
            found.add(ban.mode)
        return "refuse" if "enforce" in found else "monitor" if found else "pass"

    @invariant()
    def nothing_kept_is_out_of_date(self) -> None:
        if not hasattr(self, "other"):
            return
        with self.plane.database.reading() as session:
            read = Policies().load(session, self.now)
            assert self.beside.load(session, self.now) == read
            # Suspensions that are over leave with time, and not by an act.
            current = self.plane.publisher.current(UnitOfWork(session, LOCAL, self.now))
        assert replace(current, suspensions=read.suspensions) == policy_of(read, self.services)

    @invariant()
    def all_three_agree(self) -> None:
        if not hasattr(self, "other"):
            return
        with self.plane.database.reading() as session:
            policy = policy_of(Policies().load(session, self.now), self.services)
        snapshot = self.plane.store.load("default").snapshot
        assert snapshot.revision == policy.revision
        edges = sorted({edge for edge in self.edges() if self.now <= edge < FOREVER})
        instants = {
            self.now,
            self.now + 1,
            *edges,
            *(edge - 1 for edge in edges),
            *(sum(two) // 2 for two in pairwise(edges)),
        }
        for at in sorted(at for at in instants if at >= self.now):
            for prefix in RANGES:
                client = ip_network(prefix)[9]
                for service in SERVICES:
                    expected = self.verdict(prefix, service, at)
                    said = decide(policy, "default", client, NAME[service], at)
                    assert (said.verdict, at, prefix, service) == (expected, at, prefix, service)
                    assert snapshot.decide(client, NAME[service], at) == said

    @invariant()
    def nothing_that_has_begun_is_rewritten(self) -> None:
        if not hasattr(self, "other"):
            return
        for key, begun in self._begun():
            was = self.begun.setdefault(key, begun)
            fixed, ended = begun
            assert fixed == was[0], key
            assert was[1] is None or (ended is not None and ended <= was[1]), key
            self.begun[key] = begun
        assert self.begun.keys() <= {key for key, _ in self._begun()}

    def _begun(self) -> Iterator[tuple[object, tuple[object, str | None]]]:
        """What has begun: by a key, what must stay, and the earlier end that an act has given it."""
        for ban in self.plane.done("GET", "/v1/bans?limit=200")["items"]:
            for term in ban["terms"]:
                if second(term["start"]) <= self.now:
                    kept = {name: term[name] for name in ("start", "end", "review_by", "recorded", "decision")}
                    yield ("term", ban["number"], term["start"], term["end"], term["recorded"]), (kept, term["ended"])
        for binding in self.plane.done("GET", "/v1/bindings?limit=200")["items"]:
            if second(binding["start"]) <= self.now:
                names = ("ban", "authority", "ground", "instrument", "date", "start", "end", "recorded")
                kept = {name: binding[name] for name in names}
                yield ("binding", binding["number"]), (kept, binding["ended"])
        for exemption in self.plane.done("GET", "/v1/exemptions?limit=200")["items"]:
            if exemption["approved"] is not None and second(exemption["start"]) <= self.now:
                kept = {
                    name: exemption[name] for name in ("ban", "ranges", "start", "end", "hours", "reason", "approved")
                }
                yield ("exemption", exemption["number"]), (kept, exemption["revoked"])


def _decision(reference: str) -> dict[str, str]:
    return {"organ": "council", "reference": reference, "legal_basis": "decree 1"}


def test_any_sequence_of_acts_has_the_effects_that_were_decided() -> None:
    run_state_machine_as_test(
        Acts,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
