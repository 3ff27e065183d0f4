"""Updates: what takes effect, what waits, what is held back, and who decides."""

import pytest

from api.db.models import PendingDayRow
from api.db.unit_of_work import Access, Actor
from api.updates.schemas import Source, UpdateState
from blocklists.update_review import PENDING_S, Held
from tests.unit.api.conftest import START, Plane
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.updates.proposals import GAMES, in_force, own_service, proposed, update_of

MANY = [f"n{number}.example" for number in range(30)]
WAITS = START + PENDING_S


@pytest.mark.parametrize(
    ("source", "at_once", "since"),
    [
        (Source.EDIT, None, None),
        (Source.EDIT, False, WAITS),
        (Source.IMPORT, None, WAITS),
        (Source.FEED, None, WAITS),
        (Source.FEED, True, None),
        (Source.CATALOGUE, None, WAITS),
    ],
)
def test_new_names_wait_unless_a_person_wrote_them_or_asks_otherwise(
    town: Plane, source: Source, at_once: bool | None, since: int | None
) -> None:
    own_service(town, "a.example", "b.example")
    found = update_of(town, "a.example", "c.example", source=source, at_once=at_once)
    assert in_force(town) == {"a.example": None, "c.example": since}
    assert found.state is (UpdateState.IN_FORCE if since is None else UpdateState.PENDING)
    assert (found.added, found.removed, found.pending) == (1, 1, int(since is not None))


def test_names_in_force_make_no_update_and_no_revision(town: Plane) -> None:
    own_service(town, "a.example")
    before = town.revision()
    assert proposed(town, "a.example") is None
    assert town.revision() == before


def test_an_update_that_hits_the_guard_is_held_back_and_the_old_names_stay(town: Plane) -> None:
    own_service(town, "a.example")
    found = update_of(town, "a.example", "akamaiedge.net")
    assert found.state is UpdateState.HELD_BACK
    assert [(each.reason, each.text) for each in found.reasons] == [
        (Held.GUARDED, "akamaiedge.net hits probe.akamaiedge.net (shared-network-probes.txt)")
    ]
    assert in_force(town) == {"a.example": None}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("www.corp.example.org", "www.corp.example.org hits corp.example.org (a conditional zone)"),
        ("example.com", "example.com hits policy.example.com (the control plane)"),
    ],
)
def test_names_that_nodes_depend_on_are_guarded(town: Plane, name: str, text: str) -> None:
    own_service(town, "a.example")
    machine = Machine.enrolled(town, "office-1")
    machine.report(zones=["corp.example.org"], control_plane="policy.example.com")
    town.app.state.fleet.reports.store_due()
    assert [each.text for each in update_of(town, name).reasons] == [text]
    refusing = town.call("PUT", f"/v1/authorities/town/names/{name}", {"verdict": "refuse", "reason": "a test"})
    assert refusing.status_code == 422
    assert text.partition(" (")[2] in refusing.json()["faults"][0]["message"]


def test_ban_on_one_name_is_not_widened_over_a_name_that_nodes_depend_on(town: Plane) -> None:
    Machine.enrolled(town, "office-1").report(control_plane="policy.example.com")
    town.app.state.fleet.reports.store_due()
    town.done("PUT", "/v1/authorities/town/names/example.com", {"verdict": "refuse", "reason": "a test", "exact": True})
    widened = town.call("PATCH", "/v1/authorities/town/bans/example.com", {"tiers": [1]})
    assert widened.status_code == 422
    assert "example.com hits policy.example.com" in widened.text


def test_the_same_held_back_list_again_is_the_same_update(town: Plane) -> None:
    own_service(town, "a.example")
    first = update_of(town, "a.example", "kbc.be")
    before = town.revision()
    town.clock.now += 3600
    assert update_of(town, "a.example", "kbc.be").number == first.number
    assert town.revision() == before


@pytest.mark.parametrize(("source", "again"), [(Source.FEED, False), (Source.EDIT, True)])
def test_a_rejected_list_comes_back_only_if_a_person_writes_it(town: Plane, source: Source, again: bool) -> None:
    own_service(town, "a.example")
    first = update_of(town, "a.example", "kbc.be")
    town.done("POST", f"/v1/updates/{first.number}/reject", {"reason": "a bank"})
    assert (update_of(town, "a.example", "kbc.be", source=source).number != first.number) is again


@pytest.mark.parametrize("names", [("a.example",), ("a.example", "b.example")], ids=["as before", "another"])
def test_a_later_list_replaces_the_one_that_is_held_back(town: Plane, names: tuple[str, ...]) -> None:
    own_service(town, "a.example")
    first = update_of(town, "a.example", "kbc.be")
    proposed(town, *names)
    assert town.done("GET", f"/v1/updates/{first.number}")["state"] == "replaced"


def test_a_list_that_was_rejected_and_comes_again_replaces_the_one_that_is_held_back(town: Plane) -> None:
    own_service(town, "a.example")
    first = update_of(town, "a.example", "kbc.be")
    town.done("POST", f"/v1/updates/{first.number}/reject", {"reason": "a bank"})
    second = update_of(town, "a.example", "ing.be")
    assert update_of(town, "a.example", "kbc.be").number == first.number
    assert town.done("GET", f"/v1/updates/{second.number}")["state"] == "replaced"


def test_unreadable_lines_hold_back(town: Plane) -> None:
    own_service(town, "a.example")
    assert update_of(town, "b.example", unreadable=1, lines=10).state is UpdateState.HELD_BACK


def test_a_held_back_update_is_accepted_and_then_tried(town: Plane) -> None:
    own_service(town, *MANY)
    found = update_of(town, "a.example", MANY[0])
    town.clock.now += 60
    answer = town.done("POST", f"/v1/updates/{found.number}/accept", {"note": "they closed"})
    assert (answer["state"], answer["pending"], answer["note"]) == ("pending", 1, "they closed")
    assert in_force(town) == {MANY[0]: None, "a.example": WAITS + 60}


def test_a_held_back_update_can_be_enforced_at_once(town: Plane) -> None:
    own_service(town, "a.example")
    found = update_of(town, "a.example", "kbc.be")
    town.done("POST", f"/v1/updates/{found.number}/accept", {"at_once": True})
    assert in_force(town) == {"a.example": None, "kbc.be": None}


def test_pending_names_are_accepted_at_once_and_others_keep_waiting(town: Plane) -> None:
    own_service(town, "a.example")
    first = update_of(town, "a.example", "b.example")
    town.clock.now += 60
    update_of(town, "a.example", "b.example", "c.example")
    answer = town.done("POST", f"/v1/updates/{first.number}/accept", {})
    assert (answer["state"], answer["pending"]) == ("in_force", 0)
    assert in_force(town) == {"a.example": None, "b.example": None, "c.example": WAITS + 60}


def test_pending_names_are_in_force_when_the_time_has_passed(town: Plane) -> None:
    own_service(town, "a.example")
    found = update_of(town, "b.example")
    before = town.revision()
    town.clock.now = WAITS
    assert town.done("GET", f"/v1/updates/{found.number}")["state"] == "in_force"
    assert town.revision() == before


def test_a_name_objected_to_is_dropped_and_no_feed_brings_it_back(town: Plane) -> None:
    own_service(town, "a.example")
    found = update_of(town, "a.example", "b.example", "c.example")
    answer = town.done("POST", f"/v1/updates/{found.number}/object", {"names": ["b.example"], "reason": "our own shop"})
    assert (answer["state"], answer["pending"]) == ("pending", 1)
    assert in_force(town) == {"a.example": None, "c.example": WAITS}
    assert proposed(town, "a.example", "b.example", "c.example") is None
    update_of(town, "a.example", "b.example", "c.example", source=Source.EDIT)
    assert in_force(town) == {"a.example": None, "b.example": None, "c.example": WAITS}
    assert proposed(town, "a.example", "b.example", "c.example") is None


def test_a_name_is_left_out_of_an_update_that_is_held_back(town: Plane) -> None:
    own_service(town, "a.example")
    found = update_of(town, "a.example", "b.example", "kbc.be")
    town.done("POST", f"/v1/updates/{found.number}/object", {"names": ["kbc.be"], "reason": "a bank"})
    town.done("POST", f"/v1/updates/{found.number}/accept", {})
    assert in_force(town) == {"a.example": None, "b.example": WAITS}


@pytest.mark.parametrize("source", [Source.FEED, Source.EDIT])
def test_objection_to_a_pending_name_holds_for_an_update_that_is_held_back(town: Plane, source: Source) -> None:
    own_service(town, "a.example")
    pending = update_of(town, "a.example", "b.example")
    held = update_of(town, "a.example", "b.example", "c.example", "kbc.be", source=source)
    town.done("POST", f"/v1/updates/{pending.number}/object", {"names": ["b.example"], "reason": "our own shop"})
    answer = town.done("POST", f"/v1/updates/{held.number}/accept", {})
    assert in_force(town) == {"a.example": None, "c.example": WAITS, "kbc.be": WAITS}
    assert answer["added"] == 2


@pytest.mark.parametrize("act", ["accept", "object"])
def test_update_shows_its_own_names_also_if_it_is_decided_after_a_later_one(town: Plane, act: str) -> None:
    own_service(town, "a.example")
    first = update_of(town, "a.example", "b.example", "c.example")
    town.clock.now += 60
    update_of(town, "a.example", "b.example", "c.example", "d.example")
    body = {} if act == "accept" else {"names": ["c.example"], "reason": "our own shop"}
    answer = town.done("POST", f"/v1/updates/{first.number}/{act}", body)
    names = [each["name"] for each in town.done("GET", f"/v1/updates/{first.number}/names")["items"]]
    assert names == (["b.example", "c.example"] if act == "accept" else ["b.example"])
    assert answer["added"] == len(names)


@pytest.mark.parametrize("name", ["a.example", "z.example", "a..b"])
def test_only_names_that_an_update_adds_can_be_objected_to(town: Plane, name: str) -> None:
    own_service(town, "a.example")
    found = update_of(town, "a.example", "b.example")
    response = town.call("POST", f"/v1/updates/{found.number}/object", {"names": [name], "reason": "a test"})
    assert response.status_code == 422
    assert response.json()["faults"][0]["location"] == "body.names.0"


def test_what_is_decided_cannot_be_decided_again(town: Plane) -> None:
    own_service(town, "a.example")
    found = update_of(town, "b.example", source=Source.EDIT)
    path = f"/v1/updates/{found.number}"
    for act, body in (
        ("accept", {}),
        ("reject", {"reason": "a test"}),
        ("object", {"names": ["b"], "reason": "a test"}),
    ):
        assert town.call("POST", f"{path}/{act}", body).status_code == 409


def test_pending_names_cannot_be_rejected_all_at_once(town: Plane) -> None:
    own_service(town, "a.example")
    found = update_of(town, "b.example")
    response = town.call("POST", f"/v1/updates/{found.number}/reject", {"reason": "a test"})
    assert "Object to its names" in response.json()["detail"]


@pytest.mark.parametrize(
    ("authority", "role", "status"),
    [("town", "approver", 200), ("town", "operator", 403), ("zone", "approver", 403)],
)
def test_an_approver_of_the_authority_decides(town: Plane, authority: str, role: str, status: int) -> None:
    own_service(town, "a.example")
    found = update_of(town, "a.example", "b.example")
    _, token = town.account("someone", (role, authority))
    assert town.call("POST", f"/v1/updates/{found.number}/accept", {}, token=token).status_code == status


def test_an_update_of_the_catalogue_needs_an_administrator_and_all_with_a_role_read_it(town: Plane) -> None:
    own_service(town, "a.example", slug="alpha", authority=None)
    found = update_of(town, "a.example", "b.example", slug="alpha", source=Source.CATALOGUE)
    _, token = town.account("someone", ("approver", "town"))
    path = f"/v1/updates/{found.number}"
    assert town.call("GET", path, token=token).status_code == 200
    assert town.call("POST", f"{path}/accept", {}, token=token).status_code == 403
    assert town.call("POST", f"{path}/accept", {}).status_code == 200


@pytest.mark.parametrize(("demanded", "status"), [(True, 403), (False, 200)])
def test_who_proposed_an_update_accepts_it_only_if_no_second_person_is_required(
    town: Plane, demanded: bool, status: int
) -> None:
    own_service(town, "a.example")
    town.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": demanded})
    number, token = town.account("someone", ("operator", "town"), ("approver", "town"))
    found = update_of(town, "kbc.be", source=Source.EDIT, actor=Actor(number, Access.TOKEN))
    assert town.call("POST", f"/v1/updates/{found.number}/accept", {}, token=token).status_code == status


def test_updates_are_listed_for_those_with_a_role_in_their_authority(town: Plane) -> None:
    own_service(town, "a.example")
    own_service(town, "a.example", slug="zone:games", authority="zone")
    held = update_of(town, "a.example", "kbc.be")
    update_of(town, "a.example", "b.example", slug="zone:games")
    _, token = town.account("someone", ("reader", "zone"))
    assert [each["service"] for each in town.done("GET", "/v1/updates", token=token)["items"]] == ["zone:games"]
    assert len(town.done("GET", "/v1/updates")["items"]) == 2
    of_town = town.done("GET", "/v1/authorities/town/updates?state=held_back")["items"]
    assert [each["number"] for each in of_town] == [held.number]
    assert town.call("GET", f"/v1/updates/{held.number}", token=token).status_code == 403


def test_the_difference_is_shown_in_pages(town: Plane) -> None:
    own_service(town, "a.example", "b.example")
    found = update_of(town, "a.example", "c.example", "d.example")
    path = f"/v1/updates/{found.number}/names?limit=2"
    first = town.done("GET", path)
    assert [(each["name"], each["change"], each["pending"]) for each in first["items"]] == [
        ("c.example", "added", True),
        ("d.example", "added", True),
    ]
    second = town.done("GET", f"{path}&cursor={first['next']}")
    assert [(each["name"], each["change"]) for each in second["items"]] == [("b.example", "removed")]
    assert second["next"] is None


def test_names_that_clients_ask_for_often_come_first(town: Plane) -> None:
    own_service(town, "a.example")
    found = update_of(town, "a.example", "b.example", "c.example", "d.example")
    with town.database.writing() as session:
        for authority, name, queries in (
            ("town", "c.example", 40),
            ("zone", "c.example", 30),
            ("town", "d.example", 4),
        ):
            row = PendingDayRow(authority=authority, day="2026-09-21", service=GAMES, name=name, queries=queries)
            session.add(row)
    names = town.done("GET", f"/v1/updates/{found.number}/names")["items"]
    assert [(each["name"], each["queries"]) for each in names] == [
        ("c.example", 50),
        ("b.example", 0),
        ("d.example", 0),
    ]


def test_each_decision_is_in_the_audit_log(town: Plane) -> None:
    own_service(town, "a.example")
    held = update_of(town, "a.example", "kbc.be")
    town.done("POST", f"/v1/updates/{held.number}/reject", {"reason": "a bank"})
    taken = update_of(town, "a.example", "b.example", "c.example")
    town.done("POST", f"/v1/updates/{taken.number}/object", {"names": ["c.example"], "reason": "our own shop"})
    town.done("POST", f"/v1/updates/{taken.number}/accept", {})
    entries = town.done("GET", "/v1/audit?authority=town&limit=100")["items"]
    acts = [each["act"] for each in sorted(entries, key=lambda each: each["seq"])]
    assert [act for act in acts if act.startswith(("update.", "service."))] == [
        "update.hold_back",
        "update.reject",
        "service.update",
        "service.update",
        "update.object",
        "service.update",
        "update.accept",
    ]
