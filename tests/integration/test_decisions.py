"""Each authority's formal decision from adoption to end: acts through the API, answers to dig, and a moved clock.

The year is 2028. From March on, its dates fall on the same weekdays as in 2023.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from tests.support.knot import Knot
from tests.support.mail_and_syslog import Mailbox, mail_server
from tests.support.nodes import eventually, status_of
from tests.support.office_networks import Office

Open = Callable[..., Office]

HALF_A_YEAR = [{"start": "2028-03-10", "for": "6 months"}]


@pytest.fixture
def opened(tmp_path: Path, authority: Knot) -> Iterator[Open]:
    """Return a function that opens an office at a local time."""
    with ExitStack() as stack:
        yield lambda at, **settings: stack.enter_context(Office(tmp_path, authority.hostport, at, settings))


def decision(reference: str, **more: str) -> dict[str, str]:
    return {"organ": "government", "reference": reference, "legal_basis": "law of 2028", **more}


def adopt(office: Office, slug: str, terms: list[dict[str, Any]], service: str = "tiktok", **more: Any) -> Any:
    body = {"decision": decision(f"{slug} 1"), "terms": terms, **more}
    return office.done("PUT", f"/v1/authorities/{slug}/bans/{service}", body)


def test_federal_government_renews_once_and_then_lets_it_lapse(opened: Open) -> None:
    office = opened("2028-03-10 15:00")
    assert office.rcode("127.0.1.10") == "NOERROR"
    adopt(office, "federal", HALF_A_YEAR, decision=decision("FED 1", advice="National Security Council 1"))
    assert office.rcode("127.0.1.10") == "REFUSED"
    (ede,) = office.ask("127.0.1.10").ede
    assert (ede.code, ede.text) == (
        15,
        "FED 1; ict@federal.example; TikTok bloqué par Autorité fédérale; TikTok geblokkeerd door Federale overheid",
    )

    for at, days in (("2028-08-12 09:00", 30), ("2028-09-04 09:00", 7), ("2028-09-09 09:00", 1)):
        office.clock.set(at)
        assert office.ending() == ["federal/tiktok"]
        shown = office.ban("federal")
        assert (shown["state"], shown["ending"]["what"], shown["ending"]["days"]) == ("ending", "end", days)
    again = {"start": "2028-09-10", "for": "6 months", "decision": decision("FED 2")}
    office.done("POST", "/v1/authorities/federal/bans/tiktok/terms", again)
    assert office.ending() == []
    for at, quoted in (
        ("2028-09-09 23:59:57", "FED 1"),
        ("2028-09-10 00:00:00", "FED 2"),
        ("2029-03-09 23:59:00", "FED 2"),
    ):
        office.clock.set(at)
        (ede,) = office.ask("127.0.1.10").ede
        assert (ede.code, ede.text.partition(";")[0]) == (15, quoted), at
    assert office.ban("federal")["ending"]["days"] == 1

    os.kill(office.child("dnsfilter-api"), signal.SIGKILL)
    assert eventually(lambda: status_of(f"{office.api_url}/healthz") is None)
    refused = office.counted("refused", "federal", "tiktok")
    office.clock.set("2029-03-10 00:00:00")
    assert office.rcode("127.0.1.10") == "NOERROR"
    assert office.counted("refused", "federal", "tiktok") == refused
    assert office.counted("monitored", "federal", "tiktok") == 0


@pytest.mark.slow
def test_brussels_city_bans_without_an_end_and_studies_other_networks(opened: Open) -> None:
    office = opened("2028-03-20 09:00")
    review = [{"start": "2028-03-20", "review_by": "2028-09-20"}]
    adopt(office, "brussels-city", review)
    adopt(office, "brussels-city", review, "instagram", mode="monitor")
    assert office.rcode("127.0.2.10") == "REFUSED"
    assert office.rcode("127.0.12.10") == "REFUSED", "phones that are paid for in part are covered"
    assert office.rcode("127.0.22.10") == "NOERROR", "the public's devices are not"
    assert office.rcode("127.0.2.10", "www.instagram.com") == "NOERROR"
    assert eventually(lambda: office.counted("monitored", "brussels-city", "instagram") > 0)

    office.clock.set("2028-09-14 09:00")
    assert office.ending() == ["brussels-city/tiktok", "brussels-city/instagram"]
    shown = office.ban("brussels-city")
    assert (shown["ending"]["what"], shown["ending"]["days"]) == ("review", 7)
    office.clock.set("2028-12-01 09:00")
    assert office.rcode("127.0.2.10") == "REFUSED", "a review is a duty, not an end"
    office.done(
        "POST",
        "/v1/authorities/brussels-city/bans/tiktok/end",
        {"reason": "reviewed", "decision": decision("BXL 2")},
    )
    assert office.rcode("127.0.2.10") == "NOERROR"
    assert office.ban("brussels-city")["state"] == "lapsed"


def test_the_region_starts_on_a_friday_and_the_police_zone_accepts_is_exempted_and_withdraws(opened: Open) -> None:
    office = opened("2028-03-09 16:00")
    zone, region = "police-brussels-capital-ixelles", "brussels-region"
    adopt(office, region, HALF_A_YEAR)
    assert office.ban(region)["state"] == "planned"
    assert office.rcode("127.0.3.10") == "NOERROR"
    office.clock.set("2028-03-10 00:00:00")
    assert office.rcode("127.0.3.10") == "REFUSED"
    assert office.rcode("127.0.14.10") == "NOERROR", "a region does not rule a police zone"

    for_region = office.token_of("region", "operator", region)
    for_zone = office.token_of("zone", "operator", zone)
    agreement = {
        "ban": f"{region}/tiktok",
        "authority": zone,
        "ground": "agreement",
        "instrument": "letter 1",
        "date": "2026-09-01",
    }
    number = office.done("POST", "/v1/bindings", agreement, for_region)["number"]
    assert office.rcode("127.0.14.10") == "NOERROR", "nor does it by proposing"
    assert office.request("POST", f"/v1/bindings/{number}/accept", token=for_region).status_code == 403
    office.done("POST", f"/v1/bindings/{number}/accept", token=for_zone)
    assert office.rcode("127.0.14.10") == "REFUSED"
    assert [ede.code for ede in office.ask("127.0.14.10").ede] == [16]

    wanted = {
        "ban": f"{region}/tiktok",
        "ranges": ["127.0.4.0/24"],
        "for": "3 months",
        "reason": "whether its account is suspended is being considered",
    }
    exemption = office.done("POST", "/v1/exemptions", wanted, for_zone)["number"]
    own = office.token_of("zone-approver", "approver", zone)
    assert office.request("POST", f"/v1/exemptions/{exemption}/approve", token=own).status_code == 403
    assert office.rcode("127.0.4.10") == "REFUSED"
    approver = office.token_of("region-approver", "approver", region)
    office.done("POST", f"/v1/exemptions/{exemption}/approve", token=approver)
    assert office.rcode("127.0.4.10") == "NOERROR"
    assert office.counted("exempted", zone, "tiktok") > 0
    office.clock.set("2028-06-11 00:00:00")
    assert office.rcode("127.0.4.10") == "REFUSED", "the exemption has lapsed"

    office.done("POST", f"/v1/bindings/{number}/withdraw", {"reason": "the zone decides for itself"}, for_zone)
    assert office.rcode("127.0.14.10") == "NOERROR"
    assert office.rcode("127.0.3.10") == "REFUSED"
    office.clock.set("2028-09-10 00:00:00")
    assert office.rcode("127.0.3.10") == "NOERROR"


@pytest.mark.slow
def test_ghents_promotion_has_its_hours_across_a_change_of_summer_time(opened: Open) -> None:
    office = opened("2028-03-24 08:00")
    adopt(office, "ghent", [{"start": "2028-03-24", "for": "6 months"}])
    asker = office.token_of("ghent", "operator", "ghent")
    wanted = {
        "ban": "ghent/tiktok",
        "ranges": ["127.0.15.0/24"],
        "start": "2028-03-24",
        "for": "6 months",
        "hours": ["Mon-Fri 09:00-12:00"],
        "reason": "promotion of the city",
    }
    exemption = office.done("POST", "/v1/exemptions", wanted, asker)["number"]
    office.done("POST", f"/v1/exemptions/{exemption}/approve", token=office.token_of("other", "approver", "ghent"))
    assert office.rcode("127.0.5.10") == "REFUSED"
    for at, expected in (
        ("2028-03-24 08:59:57", "REFUSED"),
        ("2028-03-24 09:00:00", "NOERROR"),
        ("2028-03-24 11:59:57", "NOERROR"),
        ("2028-03-24 12:00:00", "REFUSED"),
        ("2028-03-25 10:00:00", "REFUSED"),  # a Saturday
        # The clocks go forward on Sunday, so nine o'clock is an hour earlier in UTC.
        ("2028-03-27 08:59:57", "REFUSED"),
        ("2028-03-27 09:00:00", "NOERROR"),
        ("2028-03-27 11:59:57", "NOERROR"),
        ("2028-03-27 12:00:00", "REFUSED"),
    ):
        office.clock.set(at)
        assert office.rcode("127.0.15.10") == expected, at
        assert office.rcode("127.0.5.10") == "REFUSED", at
        assert office.rcode("127.0.25.10") == "NOERROR", "the public's Wi-Fi is kept out of it"
    office.clock.set("2028-09-25 10:00")
    assert office.rcode("127.0.5.10") == "NOERROR"


@pytest.mark.slow
def test_diest_counts_totals_and_nothing_that_names_anybody(opened: Open) -> None:
    office = opened("2028-03-20 09:00")
    adopt(office, "diest", [{"start": "2028-03-20", "for": "6 months"}], mode="monitor")
    assert office.rcode("127.0.8.77") == "NOERROR"
    assert eventually(lambda: office.counted("monitored", "diest", "tiktok") == 1)
    counted = {name: value for name, value in office.metrics().items() if "diest" in name and value}
    assert list(counted) == [
        'dnsfilter_monitored_total{authority="diest",service="tiktok"}',
        'dnsfilter_ban_queries_total{authority="diest",ban_authority="diest",ground="own",result="monitored",'
        'service="tiktok"}',
    ]
    assert not any("127.0.8" in name for name in office.metrics())
    office.done("PATCH", "/v1/authorities/diest", {"usage": "none"})
    assert eventually(lambda: not any("diest" in name for name in office.metrics()))
    assert office.rcode("127.0.8.77") == "NOERROR"
    office.clock.set("2028-09-20 09:00")
    assert office.ban("diest")["state"] == "lapsed"


@pytest.mark.slow
def test_mechelen_follows_by_its_own_decision_and_is_notified_when_the_source_renews(opened: Open) -> None:
    with mail_server() as mailbox:
        destination = f"smtp://127.0.0.1:{mailbox.port}?from=dns@example.org"
        office = opened("2028-03-13 09:00", DNSFILTER_API_NOTICES_MAIL=destination)
        adopt(office, "federal", HALF_A_YEAR)
        path = "/v1/authorities/mechelen/bans/tiktok"
        without = office.request("PUT", path, {"decision": {"follows": "federal/tiktok"}})
        assert without.status_code == 422, "a decision of its own is asked for"
        office.done("PUT", path, {"decision": decision("MEC 1", follows="federal/tiktok")})
        assert office.rcode("127.0.7.10") == "REFUSED"
        (ede,) = office.ask("127.0.7.10").ede
        assert (ede.code, ede.text.partition(";")[0]) == (15, "MEC 1")
        (copied,), (source,) = office.ban("mechelen")["terms"], office.ban("federal")["terms"]
        assert (copied["start"], copied["end"]) == (source["start"], source["end"])

        office.clock.set("2028-09-01 09:00")
        renewal = {"start": "2028-09-10", "for": "6 months", "decision": decision("FED 2")}
        office.done("POST", "/v1/authorities/federal/bans/tiktok/terms", renewal)
        assert eventually(lambda: "FED 2" in reported(mailbox, "ict@mechelen.example"))
        assert office.ban("mechelen")["terms"] == [copied]
        office.clock.set("2028-09-10 00:00:00")
        assert office.rcode("127.0.7.10") == "NOERROR", "what is renewed there is not renewed here"
        assert office.rcode("127.0.1.10") == "REFUSED"


@pytest.mark.slow
def test_a_suspension_ends_unaided_also_without_the_control_plane(opened: Open) -> None:
    office = opened("2028-03-13 08:00")
    for slug in ("ghent", "mechelen"):
        adopt(office, slug, HALF_A_YEAR)
    assert office.rcode("127.0.5.10") == "REFUSED"
    for minute in (0, 10):
        office.clock.set(f"2028-03-13 09:{minute:02}:00")
        done = office.ctl("suspend", "ghent", "--for", "1m", "--reason", "the register cannot be reached")
        assert done.returncode == 0, done.stderr
        office.settle()
        assert office.rcode("127.0.5.10") == "NOERROR"
        assert office.ban("ghent")["state"] == "suspended"
        assert office.rcode("127.0.7.10") == "REFUSED", "others are not suspended"
        assert suspended(office) == {'dnsfilter_suspended{authority="ghent"}': 1}
        if minute:
            os.kill(office.child("dnsfilter-api"), signal.SIGKILL)
            assert eventually(lambda: status_of(f"{office.api_url}/healthz") is None)
        # The moved clock is that of the programs. dnsfilterctl runs in this process, with its own clock.
        office.clock.set(f"2028-03-13 09:{minute + 1:02}:30")
        assert office.rcode("127.0.5.10") == "REFUSED"
        assert suspended(office) == {}


def suspended(office: Office) -> dict[str, float]:
    """Return the node's metrics of suspended authorities."""
    return {name: value for name, value in office.metrics().items() if name.startswith("dnsfilter_suspended")}


def reported(mailbox: Mailbox, address: str) -> str:
    """Return the subjects and texts of all mail to an address."""
    found = []
    for envelope in tuple(mailbox.received):
        if address in envelope.rcpt_tos:
            message = message_from_bytes(envelope.original_content or b"", policy=default)
            found.append(f"{message['Subject']}\n{message.get_content()}")
    return "\n".join(found)
