"""Answers about a client agree with a node's answers."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from api.errors import Fault, Invalid
from api.explain.policy_answers import decision_read, parse_question
from api.timestamps import timestamp_text
from blocklists.catalogue import Catalogue, CatalogueName
from dnsfilter.policy.model import Service, Tier
from dnsfilter.wire.names import parse_name, suffixes
from tests.support.opened_snapshot import opened
from tests.support.policies import NOW, allowed, network, policy, wire
from tests.support.policies import ban as policy_ban
from tests.support.policies import service as policy_service
from tests.unit.api.conftest import START, Plane, authority, ban, catalogue, make_plane, on_both_databases

pytestmark = pytest.mark.heavy

ALPHA = "/v1/authorities/town/bans/alpha"


@pytest.fixture
def with_hosts(tmp_path: Path) -> Iterator[Plane]:
    """Yield a control plane with a ban that replies nxdomain, on a service with a domain and single hosts."""
    alpha, *others = catalogue().entries
    hosts = tuple(
        CatalogueName(name, parse_name(name), True, ()) for name in ("host.example.org", "www.alpha1.example.org")
    )
    tiers = (replace(alpha.tiers[0], names=(*alpha.tiers[0].names, *hosts)), *alpha.tiers[1:])
    plane = make_plane(tmp_path / "state", Catalogue((replace(alpha, tiers=tiers), *others)))
    plane.publisher.publish_current()
    plane.done("PUT", "/v1/authorities/town", authority())
    values = {"authority": "town", "funding": "public", "audience": "staff"}
    plane.done("PUT", "/v1/ranges/default/192.0.2.0/24", values)
    plane.done("PUT", ALPHA, ban(reply="nxdomain"))
    yield plane
    plane.database.close()


def test_nxdomain_is_shown_only_if_all_names_below_are_refused(with_hosts: Plane) -> None:
    for name, rcode in (
        ("alpha1.example.org", "NXDOMAIN"),
        ("www.alpha1.example.org", "NOERROR"),
        ("other.alpha1.example.org", "NXDOMAIN"),
        ("host.example.org", "NOERROR"),
    ):
        found = with_hosts.done("GET", f"/v1/decision?client=192.0.2.10&name={name}")
        assert (found["verdict"], found["winner"]["reply"], found["rcode"]) == ("refuse", "nxdomain", rcode), name


@pytest.mark.parametrize(("reply", "rcode"), [("refused", "REFUSED"), ("nodata", "NOERROR")])
def test_other_replies_do_not_depend_on_the_kind_of_name(with_hosts: Plane, reply: str, rcode: str) -> None:
    with_hosts.done("PATCH", ALPHA, {"reply": reply})
    for name in ("alpha1.example.org", "host.example.org"):
        decision = with_hosts.done("GET", f"/v1/decision?client=192.0.2.10&name={name}")
        assert decision["rcode"] == rcode


@pytest.mark.parametrize("path", ["/v1/decision", "/v1/trace"])
def test_a_urls_host_is_the_name_that_is_decided_on(with_hosts: Plane, path: str) -> None:
    asked = {"client": "192.0.2.10", **({"at": timestamp_text(START)} if path == "/v1/trace" else {})}
    for typed in ("https://www.Alpha1.example.org/@x", "www.alpha1.example.org/", "www.alpha1.example.org.:443"):
        found = with_hosts.done("GET", path, params={**asked, "name": typed})
        decision = found.get("decision", found)
        assert (decision["name"], decision["verdict"]) == ("www.alpha1.example.org", "refuse")


@pytest.mark.parametrize("path", ["/v1/decision", "/v1/trace"])
def test_an_address_in_place_of_a_name_is_a_fault_of_the_request(with_hosts: Plane, path: str) -> None:
    asked = {"client": "192.0.2.10", "name": "https://user:secret@[2001:db8::1]/", "at": timestamp_text(START)}
    answer = with_hosts.call("GET", path, params=asked)
    assert answer.status_code == 422
    fault = {"location": "query.name", "message": "a name is required, not an address: [2001:db8::1]"}
    assert answer.json()["faults"] == [fault]


QUESTION = "/v1/decision?client=192.0.2.10&name=alpha1.example.org"
PHRASES = "ict@example.org; Alpha geblokkeerd door Stad; Alpha bloqué par Ville"


def test_a_renewed_ban_quotes_the_decision_of_the_term_that_holds(town: Plane) -> None:
    town.done("POST", f"{ALPHA}/end", {"reason": "the decision was withdrawn"})
    town.clock.now = START + 100
    town.done(
        "POST", f"{ALPHA}/terms", {"for": "6 months", "decision": {"reference": "C-2", "legal_basis": "decree 1"}}
    )
    decision, who = town.done("GET", QUESTION), town.done("GET", "/v1/who?address=192.0.2.10")
    assert (decision["text"], decision["winner"]["reference"]) == (f"C-2; {PHRASES}", "C-2")
    assert [ban["reference"] for ban in who["bans"]] == ["C-2"]
    assert _compiled_text(town) == decision["text"]
    town.clock.now = START + 200
    traced = [
        town.done("GET", f"/v1/trace?client=192.0.2.10&name=alpha1.example.org&at=2026-09-21T14:{minute}Z")
        for minute in ("15:00", "13:20")
    ]
    assert [one["formal"] and one["formal"]["reference"] for one in traced] == ["C-2", "C-1"]
    assert [one["decision"]["winner"]["reference"] for one in traced] == ["C-2", "C-1"]


def test_a_term_within_another_is_quoted_while_it_holds(town: Plane) -> None:
    second = {"start": "2026-10-01", "until": "2026-10-31", "decision": {"reference": "C-2", "legal_basis": "decree 2"}}
    town.done("POST", f"{ALPHA}/terms", second)
    days = ("2026-09-30T21:59:59Z", "2026-09-30T22:00:00Z", "2026-10-31T22:59:59Z", "2026-10-31T23:00:00Z")
    assert [town.done("GET", f"{QUESTION}&at={at}")["winner"]["reference"] for at in days] == [
        "C-1",
        "C-2",
        "C-2",
        "C-1",
    ]


def test_a_ban_whose_terms_have_passed_quotes_none(town: Plane) -> None:
    town.done("POST", f"{ALPHA}/end", {"reason": "the decision was withdrawn"})
    town.clock.now = START + 100
    who = town.done("GET", "/v1/who?address=192.0.2.10")
    assert [(ban["standing"], ban["reference"]) for ban in who["bans"]] == [("not_in_term", None)]


@on_both_databases
def test_a_past_suspension_stays_in_the_answer_however_long_ago(town: Plane) -> None:
    made = town.done("POST", "/v1/suspensions", {"authority": "town", "for": "30m", "reason": "nobody can work"})
    asked = [START + 600, START + 1800, START + 3600]
    town.clock.now += 1200
    ended = town.done("POST", "/v1/suspensions", {"authority": None, "for": "1h", "reason": "all"})["number"]
    town.clock.now += 900
    town.done("POST", f"/v1/suspensions/{ended}/end", {"reason": "it works again"})

    def decisions() -> list[tuple[str, int | None]]:
        found = []
        for at_s in asked:
            query = {"client": "192.0.2.10", "name": "alpha1.example.org", "at": timestamp_text(at_s)}
            answer = town.done("GET", "/v1/decision", params=query)
            found.append((answer["verdict"], (answer["suspension"] or {}).get("number")))
        return found

    expected = [("pass", made["number"]), ("pass", ended), ("refuse", None)]
    for _ in range(2):
        assert decisions() == expected
        town.clock.now += 5 * 86_400
        town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "monitor"})
        town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "enforce"})


def test_a_client_in_no_range_is_answered_while_all_are_suspended(town: Plane) -> None:
    def asked() -> tuple[object, ...]:
        decision = town.done("GET", "/v1/decision?client=203.0.113.9&name=alpha1.example.org")
        who = town.done("GET", "/v1/who?address=203.0.113.9")
        assert decision["suspension"] == who["suspension"]
        return (
            decision["verdict"],
            decision["rcode"],
            decision["ede"],
            decision["reason"],
            (decision["suspension"] or {}).get("authority"),
        )

    reason = "the client is in no registered range"
    turned_away = ("refuse", "REFUSED", 18, reason, None)
    assert asked() == turned_away
    town.done("POST", "/v1/suspensions", {"authority": "town", "for": "30m", "reason": "nobody can work"})
    assert asked() == turned_away
    number = town.done("POST", "/v1/suspensions", {"authority": None, "for": "1h", "reason": "all"})["number"]
    assert asked() == ("pass", "NOERROR", None, f"{reason}, and is answered because all are suspended", None)
    assert town.done("GET", "/v1/who?address=203.0.113.9")["suspension"]["number"] == number
    town.clock.now += 3600
    assert asked() == turned_away


def test_exemption_outside_its_hours_is_shown_with_its_next_time(town: Plane) -> None:
    body = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "30 days", "reason": "promotion"}
    number = town.done("POST", "/v1/exemptions", {**body, "hours": ["Mon-Fri 09:00-12:00"]})["number"]
    assert town.done("GET", QUESTION)["rows"][0]["ahead"] is None
    town.done("POST", f"/v1/exemptions/{number}/approve", {"note": "fine"}, token=town.other())
    ahead = {"number": number, "hours": ["Mon-Fri 09:00-12:00"], "next": "2026-09-22T07:00:00Z"}
    decision, who = town.done("GET", QUESTION), town.done("GET", "/v1/who?address=192.0.2.10")
    assert (decision["verdict"], decision["rows"][0]["ahead"], who["bans"][0]["ahead"]) == ("refuse", ahead, ahead)
    within, friday, over = (
        town.done("GET", f"{QUESTION}&at={at}")["rows"][0]
        for at in ("2026-09-22T07:00:00Z", "2026-09-25T10:00:00Z", "2026-10-21T10:00:00Z")
    )
    assert (within["standing"], within["exemption"], within["ahead"]) == ("exempted", number, None)
    assert friday["ahead"]["next"] == "2026-09-28T07:00:00Z"
    assert over["ahead"] is None
    elsewhere = town.done("GET", "/v1/decision?client=198.51.100.9&name=alpha1.example.org")
    assert elsewhere["rows"] == []


def _compiled_text(plane: Plane) -> str:
    """Return what a node answers, from the published snapshot."""
    snapshot = opened(plane.store)
    found = snapshot.find(ip_address("192.0.2.10").packed)
    assert found is not None
    name = parse_name("alpha1.example.org")
    ban = snapshot.judge(found, snapshot.match(name), int(plane.clock.now), [name]).ban
    assert ban is not None
    return ban.text


def test_what_a_ban_that_is_off_would_refuse_is_explained_by_that_and_since_when(town: Plane) -> None:
    town.done("PATCH", ALPHA, {"mode": "off"})
    town.clock.now += 3600
    assert town.done("GET", QUESTION)["reason"] == "not refused: town/alpha is off since 16:13"
    town.clock.now += 86_400
    day = "21 September 2026 16:13:20 CEST"
    assert town.done("GET", QUESTION)["reason"] == f"not refused: town/alpha is off since {day}"
    ahead = f"{QUESTION}&at=2020-01-01T00:00:00Z"
    assert town.done("GET", ahead)["reason"] == "no ban is in force here for this name"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TikTok", "TikTok is a service. Try www.tiktok.com."),
        (" tiktok ", "TikTok is a service. Try www.tiktok.com."),
        ("CAPCUT", "CapCut is a service. Try www.capcut.com."),
        ("", "a name is required: write for example www.tiktok.com"),
    ],
)
def test_a_service_is_no_name_and_the_error_gives_one_of_its_names(
    packaged: Catalogue, text: str, message: str
) -> None:
    with pytest.raises(Invalid) as caught:
        parse_question(text, "query.name", _services(packaged))
    assert caught.value.faults == (Fault("query.name", message),)


def test_every_service_has_such_a_name_which_belongs_to_it(packaged: Catalogue) -> None:
    services = _services(packaged)
    for service in services.values():
        with pytest.raises(Invalid) as caught:
            parse_question(service.name, "query.name", services)
        tried = caught.value.faults[0].message.rpartition(" ")[2].removesuffix(".")
        name = parse_question(tried, "query.name", services)
        first = min(service.tiers, key=lambda tier: tier.number)
        assert name in first.hosts or not first.domains.isdisjoint(suffixes(name))


@pytest.mark.parametrize("path", ["who?address={}", "decision?client={}&name=alpha1.example.org"])
def test_a_refusal_does_not_say_whether_the_address_is_registered(town: Plane, path: str) -> None:
    _, reader = town.account("reader", ("reader", "zone"))
    refused = {}
    for client in ("192.0.2.10", "203.0.113.10"):
        answer = town.call("GET", f"/v1/{path.format(client)}", token=reader)
        assert (answer.status_code, client in answer.json()["detail"]) == (403, True)
        refused[client] = answer.json()["detail"].replace(client, "it")
    assert len(set(refused.values())) == 1
    assert "the authority, if any, that it at site default belongs to" in refused["192.0.2.10"]


def _services(catalogue: Catalogue) -> dict[str, Service]:
    return {service.slug: service for service in catalogue.services}


def test_decision_names_the_allowed_name_and_until_when_a_name_is_pending() -> None:
    fresh = Tier(1, wire("new.example"), enforced_from=NOW + 60)
    made = policy(
        network("192.0.2.0/24", "ghent"),
        policy_service("video", ["video.example"], (), fresh),
        policy_ban(1, "ghent", "video"),
        allowed(7, "ghent", "cdn.video.example"),
    )
    rows = {
        name: decision_read(made, "default", ip_address("192.0.2.10"), parse_name(name), NOW).rows[0]
        for name in ("video.example", "cdn.video.example", "new.example")
    }
    found = {name: (row.standing, row.allowed, row.pending_until) for name, row in rows.items()}
    assert found == {
        "video.example": ("in_force", None, None),
        "cdn.video.example": ("allowed", 7, None),
        "new.example": ("pending", None, timestamp_text(NOW + 60)),
    }
