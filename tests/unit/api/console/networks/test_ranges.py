"""Networks in the console: listed with what asks in them, registered, changed and removed."""

import pytest

from tests.unit.api.conftest import Plane, authority
from tests.unit.api.console.conftest import Session, signed_in
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.usage.conftest import batch

NETWORKS = "/console/networks"
TOWN = f"{NETWORKS}/default/192.0.2.0/24"
NEW = {"site": "default", "prefix": "203.0.113.0/24", "authority": "town", "audience": "staff", "funding": "public"}
HOSTILE = "<b>hall</b>"


@pytest.fixture
def operator(town: Plane) -> Session:
    """Return a session of an operator of `town`."""
    _, token = town.account("desk", ("operator", "town"))
    return signed_in(town, token)


def test_networks_are_listed_with_what_asks_in_them(session: Session) -> None:
    Machine.enrolled(session.plane, "office-1").use(batch(ranges=[{"prefix": "192.0.2.0/24", "queries": 30}]))
    page = session.shown(f"{NETWORKS}?authority=town")
    assert ">192.0.2.0/24</a>" in page
    assert "uses it</span>" in page
    assert "198.51.100.0/24" not in page
    assert "No network." in session.shown(f"{NETWORKS}?authority=town&audience=pupils")
    assert "192.0.2.0/24" in session.shown(f"{NETWORKS}?authority=town&audience=staff&funding=public")


def test_a_wrong_filter_has_its_fault_next_to_it(session: Session) -> None:
    answer = session.get(f"{NETWORKS}?authority=town&audience=cats")
    assert answer.status_code == 422
    assert 'id="audience-fault"' in answer.text


def test_a_long_list_has_pages(session: Session) -> None:
    rows = [
        {"prefix": f"10.0.{number}.0/24", "authority": "town", "funding": "public", "audience": "pupils"}
        for number in range(51)
    ]
    session.plane.done("POST", "/v1/ranges/import", {"rows": rows})
    first = session.shown(f"{NETWORKS}?authority=town&audience=pupils")
    following = first.split('href="/console/networks?audience=pupils&amp;authority=town&amp;cursor=')
    link = (following if len(following) > 1 else first.split("authority=town&amp;audience=pupils&amp;cursor="))[1]
    assert "10.0.49.0/24" in first
    assert "10.0.50.0/24" not in first
    cursor = link.partition('"')[0]
    assert "10.0.50.0/24" in session.shown(f"{NETWORKS}?authority=town&audience=pupils&cursor={cursor}")


def test_a_network_is_checked_then_registered_changed_and_removed(session: Session) -> None:
    checked = session.send(f"{NETWORKS}/new", **NEW, do="check")
    assert checked.status_code == 200
    assert "Nothing is registered yet." in checked.text
    assert "town/alpha" in checked.text
    assert 'value="203.0.113.0/24"' in checked.text
    assert "203.0.113.0/24" not in session.shown(f"{NETWORKS}?authority=town")
    answer = session.send(f"{NETWORKS}/new", **NEW, do="register", label=HOSTILE)
    made = f"{NETWORKS}/default/203.0.113.0/24"
    assert (answer.status_code, answer.headers["location"]) == (303, f"{made}?done=registered")
    page = session.shown(made)
    assert HOSTILE not in page
    assert "&lt;b&gt;hall&lt;/b&gt;" in page
    assert session.send(made, audience="public", funding="private", label="").status_code == 303
    kept = session.plane.done("GET", "/v1/ranges/default/203.0.113.0/24")
    assert (kept["audience"], kept["funding"], kept["label"]) == ("public", "private", "")
    assert session.send(f"{made}/remove").headers["location"] == f"{NETWORKS}?done=range_removed"
    assert session.get(made).status_code == 404


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"prefix": "203.0.113.7/24"}, "prefix"),
        ({"prefix": "library"}, "prefix"),
        ({"prefix": "../../v1"}, "prefix"),
        ({"audience": ""}, "audience"),
        ({"funding": "gifts"}, "funding"),
        ({"authority": "atlantis"}, "authority"),
    ],
)
def test_a_fault_is_next_to_its_field_and_what_was_typed_is_kept(
    changed: dict[str, str], field: str, session: Session
) -> None:
    answer = session.send(f"{NETWORKS}/new", **{**NEW, "label": "depot", **changed})
    assert answer.status_code == 422
    assert f'id="{field}-fault"' in answer.text
    assert 'value="depot"' in answer.text


def test_a_registered_network_is_not_overwritten(session: Session) -> None:
    answer = session.send(f"{NETWORKS}/new", **{**NEW, "prefix": "192.0.2.0/24", "audience": "pupils"})
    assert answer.status_code == 422
    assert session.plane.done("GET", "/v1/ranges/default/192.0.2.0/24")["audience"] == "staff"


def test_the_page_of_a_fleet_names_the_command_for_its_names(session: Session) -> None:
    wanted = {"label": "phones", "funding": "public", "audience": "staff"}
    made = session.plane.done("POST", "/v1/authorities/town/fleets", wanted)
    page = session.shown(f"{NETWORKS}/default/{made['prefix']}")
    assert "dnsfilterctl fleet gives its devices a name" in page
    assert "End its names first: dnsfilterctl fleet end." in page
    assert "next larger network" not in page


def test_devices_without_a_certificate_lead_to_no_form(session: Session) -> None:
    seen = [{"prefix": each, "queries": 42, "seen_s_ago": 60} for each in ("100::/48", "203.0.113.0/24")]
    Machine.enrolled(session.plane, "office-1").report(unregistered=seen)
    page = session.shown(f"{NETWORKS}/unregistered")
    assert "100::/48" in page
    assert "devices that ask by the name of a fleet, without a certificate" in page
    assert "Register 203.0.113.0/24" in page
    assert "Register 100::/48" not in page


def test_unregistered_networks_lead_to_a_form_that_is_filled_in(session: Session) -> None:
    seen = {"prefix": "203.0.113.0/24", "queries": 1234, "seen_s_ago": 60}
    Machine.enrolled(session.plane, "office-1").report(unregistered=[seen])
    session.plane.done("PUT", "/v1/spaces/default/203.0.112.0/20", {"authority": "zone"})
    page = session.shown(f"{NETWORKS}/unregistered")
    assert "1,234" in page
    link = page.split('<a href="/console/networks/new?')[1].partition('"')[0].replace("&amp;", "&")
    form = session.shown(f"{NETWORKS}/new?{link}")
    assert 'value="203.0.113.0/24"' in form
    assert 'value="zone" selected' in form


def test_an_operator_registers_in_the_own_authority_only(operator: Session) -> None:
    operator.plane.done("PUT", "/v1/spaces/default/203.0.112.0/20", {"authority": "town"})
    page = operator.shown(f"{NETWORKS}/new")
    assert '<option value="town"' in page
    assert '<option value="zone"' not in page
    refused = operator.send(f"{NETWORKS}/new", **{**NEW, "authority": "zone"})
    assert refused.status_code == 422
    assert operator.send(f"{NETWORKS}/new", **NEW).status_code == 303
    assert operator.get(f"{NETWORKS}/unregistered").status_code == 403
    assert operator.get(f"{NETWORKS}/default/198.51.100.0/24").status_code in (403, 404)


def test_a_reader_sees_networks_and_changes_none(town: Plane) -> None:
    _, token = town.account("reader", ("reader", "town"))
    reader = signed_in(town, token)
    assert "Register a network" not in reader.shown(NETWORKS)
    page = reader.shown(TOWN)
    assert "Remove" not in page
    assert reader.send(TOWN, audience="pupils", funding="public").status_code == 422
    assert reader.send(f"{TOWN}/remove").status_code == 422
    assert town.done("GET", "/v1/ranges/default/192.0.2.0/24")["audience"] == "staff"


def test_somebody_without_a_role_sees_no_network(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/other", authority())
    _, token = town.account("nobody")
    assert "192.0.2.0/24" not in signed_in(town, token).shown(NETWORKS)
