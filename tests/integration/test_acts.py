"""The oracle, the compiled snapshot and a list of expected decisions agree at every instant after any sequence of acts.

This file keeps the list (`tests/support/expected_decisions.py`) from the requests and their success. No sequence
rewrites what has begun.
"""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from api.db.unit_of_work import LOCAL, UnitOfWork
from api.publish.policy_rows import policy_of
from api.publish.repository import Policies
from dnsfilter.policy.decide import decide
from dnsfilter.policy.model import Policy
from dnsfilter.wire.names import parse_name
from tests.support.deciding_plane import RANGES, Acted
from tests.support.expected_decisions import (
    DAY,
    FOREVER,
    HOUR,
    MINUTE,
    PROVISIONAL_S,
    SUMMER_TIME,
    Ban,
    Bound,
    Exempted,
    Span,
)
from tests.support.expected_lists import (
    MERGER,
    WEEKLY,
    fixed_as_shown,
    path_of,
    second,
    text,
    weekly,
    written,
)
from tests.support.opened_snapshot import opened
from tests.unit.api.conftest import START, authority

ZONES = {"town": "UTC", "zone": "UTC", "city": "Europe/Brussels"}
SERVICES = ("alpha", "beta")
NAME = {service: parse_name(f"www.{service}1.example.org") for service in SERVICES}
CLIENTS = ("192.0.2.9", "192.0.2.137", "198.51.100.9", "203.0.113.9")
COVERED = ({"public", "partly_public"}, {"staff"})
STARTS = (START, START, *(change - 3 * DAY for change in SUMMER_TIME))
LOST: dict[str, tuple[str, str, Any]] = {
    "toggle": ("PATCH", "/v1/authorities/{slug}/bans/{service}", {"mode": "monitor", "reply": "nxdomain"}),
    "end": ("POST", "/v1/authorities/{slug}/bans/{service}/end", {"reason": "it is lifted"}),
    "adoption": ("PUT", "/v1/authorities/{slug}/bans/{service}", {"provisional": True}),
    "removal": ("DELETE", "/v1/authorities/{slug}/bans/{service}", None),
    "range": ("DELETE", "/v1/ranges/default/192.0.2.128/25", None),
    "registration": ("PUT", "/v1/authorities/{slug}", authority(time_zone="Europe/Brussels")),
}
"""Acts that fail at the commit and leave no trace."""

slugs = st.sampled_from(sorted(ZONES))
services = st.sampled_from(SERVICES)
modes = st.sampled_from(("enforce", "monitor", "off"))
prefixes = st.sampled_from(sorted(RANGES))
fundings = st.sampled_from(("public", "partly_public", "private"))
choices = st.integers(0, 10_000)
days = st.integers(0, 5)
hours = st.sampled_from((None, *WEEKLY))
lengths = st.sampled_from((1, HOUR, DAY, 2 * DAY, 5 * DAY, 9 * DAY))


class Acts(Acted):
    """The acts, and the rules that hold after each."""

    @initialize(
        start=st.sampled_from(STARTS),
        bans=st.lists(st.tuples(slugs, services, modes, st.integers(-1, 1), lengths, st.booleans()), max_size=4),
        bindings=st.lists(st.tuples(choices, slugs, st.just(True), st.just(0), lengths), max_size=3),
    )
    def begin(self, start: int, bans: list[Any], bindings: list[Any]) -> None:
        self.plane.clock.now = start
        self.plane.publisher.publish_current()
        for slug, zone in ZONES.items():
            self.plane.done("PUT", f"/v1/authorities/{slug}", authority(time_zone=zone))
        for prefix, (owner, funding, audience) in RANGES.items():
            body = {"authority": owner, "funding": funding, "audience": audience}
            self.plane.done("PUT", f"/v1/ranges/default/{prefix}", body)
        self.other = self.plane.other()
        # Another process on the same database. It never acts, but must learn of each act.
        self.extra = Policies()
        for ban in bans:
            self.adopt(*ban)
        for binding in bindings:
            self.bind(*binding)
        self.export()

    # Time.

    @rule(span=st.sampled_from((1, MINUTE, HOUR, DAY, 3 * DAY)))
    def wait(self, span: int) -> None:
        self.plane.clock.now += span

    @rule(choice=choices)
    def wait_for_an_edge(self, choice: int) -> None:
        ahead = sorted({edge for edge in self.list.edges() if self.now < edge < self.now + 30 * DAY})
        if ahead:
            self.plane.clock.now = ahead[choice % len(ahead)]

    # Bans.

    @rule(slug=slugs, service=services, mode=modes, start=st.integers(-3, 3), length=lengths, open_=st.booleans())
    def adopt(self, slug: str, service: str, mode: str, start: int, length: int, open_: bool) -> None:
        first = self.now + start * DAY
        last = FOREVER if open_ else first + length
        term = {"start": text(first), **({"review_by": text(first + DAY)} if open_ else {"end": text(last)})}
        body = {"mode": mode, "decision": self.decision(), "terms": [term]}
        self.adopted(slug, service, mode, [Span(first, last, self.now)], COVERED, body)

    @rule(slug=slugs, service=services)
    def adopt_provisionally(self, slug: str, service: str) -> None:
        span = Span(self.now, self.now + PROVISIONAL_S, self.now)
        self.adopted(slug, service, "enforce", [span], COVERED, {"provisional": True})

    @rule(slug=slugs, source=slugs, service=services)
    def follow(self, slug: str, source: str, service: str) -> None:
        copied = self.list.bans.get((source, service))
        terms = [] if copied is None else [Span(span.start, span.end, self.now) for span in copied.terms]
        body = {"decision": self.decision(follows=f"{source}/{service}")}
        covered = COVERED if copied is None else copied.covered
        mode = "enforce" if copied is None else copied.mode
        self.adopted(slug, service, mode, [span for span in terms if span.end > self.now], covered, body)

    def adopted(
        self, slug: str, service: str, mode: str, terms: list[Span], covered: tuple[set[str], set[str]], body: Any
    ) -> None:
        if (slug, service) in self.list.bans:
            return
        made = self.act("PUT", f"/v1/authorities/{slug}/bans/{service}", body)
        if made is not None:
            ban = Ban(made["number"], slug, service, mode, terms, covered, "provisional" in body)
            self.list.bans[slug, service] = ban

    @rule(choice=choices, length=lengths)
    def confirm(self, choice: int, length: int) -> None:
        ban = self.ban(choice, [one for one in self.list.bans.values() if one.provisional])
        if ban is None:
            return
        term = Span(self.now, self.now + length, self.now)
        body = {"provisional": False, "decision": self.decision(), "terms": [written(term)]}
        if self.act("PUT", path_of(ban), body) is not None:
            ban.terms.append(term)
            ban.provisional = False

    @rule(slug=slugs, service=services, mode=modes)
    def toggle(self, slug: str, service: str, mode: str) -> None:
        body = {"mode": mode, "mode_reason": "so decided"}
        if self.act("PATCH", f"/v1/authorities/{slug}/bans/{service}", body) is not None:
            self.list.bans[slug, service].mode = mode

    @rule(choice=choices, funding=fundings)
    def change_scope(self, choice: int, funding: str) -> None:
        ban = self.ban(choice)
        body = {"funding": [funding], "audience": ["staff", "public"]}
        if ban is not None and self.act("PATCH", path_of(ban), body) is not None:
            ban.covered = ({funding}, {"staff", "public"})

    @rule(choice=choices, start=st.integers(-2, 6), length=lengths)
    def renew(self, choice: int, start: int, length: int) -> None:
        ban = self.ban(choice)
        term = self.span(start, length)
        body = {**written(term), "decision": self.decision()}
        if ban is not None and self.act("POST", f"{path_of(ban)}/terms", body) is not None:
            ban.terms.append(term)

    @rule(choice=choices, start=days, length=lengths, leave=st.sampled_from(("none", "planned", "one")))
    def write_terms(self, choice: int, start: int, length: int, leave: str) -> None:
        """Send a PUT with the current terms and one more. Planned terms that it omits are removed."""
        ban = self.ban(choice)
        if ban is None:
            return
        read = self.plane.done("GET", path_of(ban))["terms"]
        begun = [term for term in read if second(term["start"]) <= self.now]
        kept = {"none": read, "planned": begun, "one": read[1:]}[leave]
        term = self.span(start, length)
        names = ("start", "end", "review_by", "decision")
        terms = [{name: one[name] for name in names if one[name] is not None} for one in kept]
        if self.act("PUT", path_of(ban), {"terms": [*terms, {**written(term), "decision": self.decision()}]}) is None:
            return
        said = [(second(one["start"]), second(one["end"])) for one in kept]
        ban.terms = [span for span in ban.terms if span.start <= self.now or span.is_among(said)] + [term]

    @rule(choice=choices, after=days)
    def end(self, choice: int, after: int) -> None:
        ban = self.ban(choice)
        at = self.now + after * DAY
        body = {"at": text(at), "reason": "it is lifted"}
        if ban is not None and self.act("POST", f"{path_of(ban)}/end", body) is not None:
            ban.end(at, self.now)

    @rule(choice=choices)
    def remove(self, choice: int) -> None:
        ban = self.ban(choice)
        if ban is not None and self.act("DELETE", path_of(ban)) is not None:
            del self.list.bans[ban.owner, ban.service]
            assert all(span.start > self.now for span in ban.terms)
            assert (ban.bound, ban.exempted) == ({}, {})

    @rule(slug=slugs, service=services, what=st.sampled_from(sorted(LOST)), mode=modes)
    def lose(self, slug: str, service: str, what: str, mode: str) -> None:
        """Let the commit of an act fail. The next act gets the revision of the failed one."""
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

    @rule(choice=choices, to=slugs, law=st.booleans(), start=days, length=lengths)
    def bind(self, choice: int, to: str, law: bool, start: int, length: int) -> None:
        ban = self.ban(choice)
        if ban is None:
            return
        span = self.span(start, length, self.now if law else FOREVER)
        ground = {"ground": "law" if law else "agreement", "instrument": "letter 1", "date": "2026-09-01"}
        body = {"ban": f"{ban.owner}/{ban.service}", "authority": to, **ground, **written(span)}
        made = self.act("POST", "/v1/bindings", body)
        if made is not None:
            ban.bound[made["number"]] = Bound(to, law, span)

    @rule(choice=choices, verb=st.sampled_from(("accept", "accept", "withdraw", "end")), after=days)
    def go_on_with_a_binding(self, choice: int, verb: str, after: int) -> None:
        known = [one for ban in self.list.bans.values() for one in ban.bound.items()]
        if not known:
            return
        number, bound = known[choice % len(known)]
        at = self.now + after * DAY
        body = None if verb == "accept" else {"at": text(at), "reason": "so decided"}
        if self.act("POST", f"/v1/bindings/{number}/{verb}", body) is None:
            return
        if verb == "accept":
            bound.span.known = min(bound.span.known, self.now)
        else:
            assert verb == "end" or not bound.law
            bound.span.end = at

    @rule(choice=choices, which=choices, start=days, length=lengths, weekly_=hours, approved=st.booleans())
    def ask_for_an_exemption(
        self, choice: int, which: int, start: int, length: int, weekly_: str | None, approved: bool
    ) -> None:
        ban = self.ban(choice)
        if ban is None:
            return
        concerned = {ban.owner, *(one.to for one in ban.bound.values())}
        ranges = sorted(prefix for prefix, (owner, *_) in self.list.ranges.items() if owner in concerned)
        prefix = ranges[which % len(ranges)] if ranges else sorted(RANGES)[0]
        span = self.span(start, length, FOREVER)
        body = {"ban": f"{ban.owner}/{ban.service}", "ranges": [prefix], **written(span), "reason": "promotion"}
        made = self.act("POST", "/v1/exemptions", body | ({} if weekly_ is None else {"hours": [weekly_]}))
        if made is None:
            return
        zone = ZONES[self.list.ranges[prefix][0]]
        ban.exempted[made["number"]] = Exempted(prefix, span, None if weekly_ is None else weekly(weekly_, zone))
        if approved:
            self.decide_about_an_exemption(-1, "approve")

    @rule(choice=choices, verb=st.sampled_from(("approve", "approve", "reject", "revoke")))
    def decide_about_an_exemption(self, choice: int, verb: str) -> None:
        known = [one for ban in self.list.bans.values() for one in ban.exempted.items()]
        if not known:
            return
        number, exempted = max(known) if choice < 0 else known[choice % len(known)]
        body = None if verb == "approve" else {"reason": "so decided"}
        if self.act("POST", f"/v1/exemptions/{number}/{verb}", body, token=self.other) is None:
            return
        if verb == "approve":
            exempted.span.known = min(exempted.span.known, self.now)
        else:
            exempted.span.end = min(exempted.span.end, self.now)

    # Suspensions.

    @rule(slug=st.sampled_from((*sorted(ZONES), None)), minutes=st.integers(1, 240))
    def suspend(self, slug: str | None, minutes: int) -> None:
        body = {"authority": slug, "for": f"{minutes}m", "reason": "a service that is needed fails"}
        made = self.act("POST", "/v1/suspensions", body)
        if made is not None:
            self.list.suspended[made["number"]] = (slug, Span(self.now, self.now + minutes * MINUTE))

    @rule(choice=choices)
    def end_a_suspension(self, choice: int) -> None:
        if not self.list.suspended:
            return
        number = sorted(self.list.suspended)[choice % len(self.list.suspended)]
        if self.act("POST", f"/v1/suspensions/{number}/end", {"reason": "it works again"}) is not None:
            _, span = self.list.suspended[number]
            span.end = min(span.end, max(self.now, span.start + 1))

    # Ranges, and the complete policy.

    @rule(prefix=prefixes, slug=slugs, funding=fundings, audience=st.sampled_from(("staff", "public")))
    def register(self, prefix: str, slug: str, funding: str, audience: str) -> None:
        body = {"authority": slug, "funding": funding, "audience": audience}
        if self.act("PUT", f"/v1/ranges/default/{prefix}", body) is not None:
            assert self.list.ranges.get(prefix, (slug,))[0] == slug
            self.list.ranges[prefix] = (slug, funding, audience)

    @rule(prefix=prefixes)
    def remove_range(self, prefix: str) -> None:
        if self.act("DELETE", f"/v1/ranges/default/{prefix}") is not None:
            del self.list.ranges[prefix]

    @rule(choice=choices)
    def roll_back(self, choice: int) -> None:
        revision = sorted(self.past)[choice % len(self.past)]
        if self.act("POST", f"/v1/revisions/{revision}/rollback", {"reason": "it was a mistake"}) is not None:
            self.list.roll_back(self.past[revision])

    @rule()
    def export(self) -> None:
        self.files = [*self.files[-2:], (self.plane.call("GET", "/v1/policy").text, self.list.copy())]

    @rule(choice=choices)
    def apply(self, choice: int) -> None:
        if not self.files:
            return
        content, then = self.files[choice % len(self.files)]
        headers = {"Authorization": f"Bearer {self.plane.token}", "Content-Type": "application/toml"}
        if self.act("POST", "/v1/policy/apply", content=content, headers=headers) is not None:
            self.list.apply(then, self.now, {key: ban.number for key, ban in self.read().bans.items()})

    # The end of an authority.

    @rule(slug=slugs, after=days)
    def close(self, slug: str, after: int) -> None:
        if self.list.closed:
            return
        at = self.now + after * DAY
        body = {"at": text(at), "reason": "its tasks go to others"}
        if self.act("POST", f"/v1/authorities/{slug}/close", body) is not None:
            self.list.close(slug, at, self.now)

    @rule(slug=slugs, into=slugs)
    def merge(self, slug: str, into: str) -> None:
        """Merge an authority. Only the successor's decisions change verdicts. Then replace the list by the API's."""
        body = {"into": into, "reason": "one municipality", "decision": self.decision(legal_basis=MERGER)}
        if self.act("POST", f"/v1/authorities/{slug}/merge", body) is None:
            return
        instants = self.instants(self.now)
        before, self.list = self.list, self.read()
        self.list.suspended, self.list.closed = before.suspended, {**before.closed, slug: self.now}
        moved = {prefix: (into if one[0] == slug else one[0], *one[1:]) for prefix, one in before.ranges.items()}
        assert self.list.ranges == moved
        for at in sorted({*instants, *self.instants(self.now)}):
            for client in CLIENTS:
                for service in SERVICES:
                    may_be = before.after_merging(slug, into, client, service, at, self.now)
                    said = self.list.verdict(client, service, at)
                    assert said in may_be, (said, may_be, at, client, service)

    # Rules.

    def policy(self) -> Policy:
        """Return the policy of the database. Check that the copies kept between acts are up to date."""
        with self.plane.database.reading() as session:
            read = Policies().load(session, self.now)
            assert self.extra.load(session, self.now) == read
            # Suspensions end with time, without an act.
            current = self.plane.publisher.current(UnitOfWork(session, LOCAL, self.now))
        policy = policy_of(read, self.services)
        assert replace(current, suspensions=read.suspensions) == policy
        return policy

    @invariant()
    def all_three_agree(self) -> None:
        assert not list(self.list.reaches_beyond_a_closing())
        policy, snapshot = self.policy(), opened(self.plane.store)
        assert snapshot.revision == policy.revision
        # All instants were compared after the last act. A suspension that is over is in no policy.
        over = any(span.end <= self.now for _, span in self.list.suspended.values())
        instants = [self.now] if policy.revision in self.past else self.instants(self.now if over else 0)
        for at in instants:
            for address in CLIENTS:
                client = ip_address(address)
                for service in SERVICES:
                    expected = self.list.verdict(address, service, at)
                    said = decide(policy, "default", client, NAME[service], at)
                    assert (said.verdict, at, address, service) == (expected, at, address, service)
                    assert at < self.now or snapshot.decide(client, NAME[service], at) == said
        self.past.setdefault(policy.revision, self.list.copy())

    @invariant()
    def nothing_that_has_begun_is_rewritten(self) -> None:
        (looked, before), revision = self.shown, self.plane.revision()
        if looked == revision:
            return
        self.shown = revision, fixed_as_shown(self.pages("bans", "bindings", "exemptions"))
        for key, one in before.items():
            # The clock has not moved since the act.
            if one.start <= self.now:
                now = self.shown[1][key]
                assert now.kept == one.kept, key
                assert one.ended is None or (now.ended is not None and now.ended <= one.ended), key


@pytest.mark.parametrize("examples", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_any_sequence_of_acts_has_the_effects_that_were_decided(examples: int) -> None:
    run_state_machine_as_test(
        Acts,
        settings=settings(
            max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
