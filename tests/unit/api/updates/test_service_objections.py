"""Objections: who sees them, and how a name that was left out comes back."""

import pytest

from api.db.models import FeedRow
from api.updates.schemas import Source
from tests.unit.api.conftest import START, Plane
from tests.unit.api.updates.proposals import GAMES, in_force, own_service, proposed, update_of

OBJECTIONS = "/v1/objections"
NAMES = ("a.example", "b.example")
WHY = {"reason": "a mistake"}


def objected(plane: Plane, slug: str = GAMES, authority: str | None = "town", name: str = "b.example") -> None:
    """Let a service have an objection to a new name."""
    own_service(plane, "a.example", slug=slug, authority=authority)
    found = update_of(plane, "a.example", name, slug=slug, source=Source.CATALOGUE)
    plane.done("POST", f"/v1/updates/{found.number}/object", {"names": [name], "reason": f"our {name}"})


def test_a_list_says_which_names_were_left_out_by_whom_since_when_and_why(town: Plane) -> None:
    objected(town, "alpha", None)
    assert town.done("GET", f"{OBJECTIONS}?service=alpha")["items"] == [
        {
            "service": "alpha",
            "authority": None,
            "name": "b.example",
            "reason": "our b.example",
            "recorded": "2026-09-21T14:13:20Z",
            "recorded_by": 1,
        }
    ]


def test_objections_are_listed_in_pages_for_those_with_a_role(town: Plane) -> None:
    objected(town)
    objected(town, "zone:games", "zone")
    objected(town, "alpha", None)
    first = town.done("GET", f"{OBJECTIONS}?limit=2")
    second = town.done("GET", f"{OBJECTIONS}?limit=2&cursor={first['next']}")
    found = [(each["service"], each["authority"]) for page in (first, second) for each in page["items"]]
    assert (found, second["next"]) == ([("alpha", None), (GAMES, "town"), ("zone:games", "zone")], None)
    _, reader = town.account("someone", ("reader", "zone"))
    seen = [each["service"] for each in town.done("GET", OBJECTIONS, token=reader)["items"]]
    assert seen == ["alpha", "zone:games"]
    assert town.call("GET", f"{OBJECTIONS}?cursor=e30").status_code == 422


def test_a_name_comes_back_by_the_next_update_and_is_pending_first(town: Plane) -> None:
    objected(town, "alpha", None)
    assert proposed(town, *NAMES, slug="alpha", source=Source.CATALOGUE) is None
    before = town.revision()
    town.done("POST", f"{OBJECTIONS}/alpha/B.example/withdraw", WHY)
    assert (town.revision(), town.done("GET", OBJECTIONS)["items"]) == (before, [])
    assert in_force(town, "alpha") == {"a.example": None}
    entry = town.done("GET", "/v1/audit?act=update.withdraw_objection")["items"][0]
    assert (entry["object"], entry["after"]) == ("objection/alpha/b.example", {"reason": "a mistake"})
    assert entry["before"] == {"reason": "our b.example", "recorded_s": START, "recorded_by": 1}
    found = update_of(town, *NAMES, slug="alpha", source=Source.CATALOGUE)
    assert (found.state, found.added, found.pending) == ("pending", 1, 1)


def test_a_feed_with_an_unchanged_list_is_read_again(town: Plane) -> None:
    objected(town)
    feed = {"source": "games.txt"}
    town.done("PUT", "/v1/authorities/town/services/games/feed", feed)
    with town.database.writing() as session:
        row = session.get_one(FeedRow, GAMES)
        row.etag, row.modified = '"1"', "Mon, 21 Sep 2026 14:13:20 GMT"
    town.done("POST", f"{OBJECTIONS}/{GAMES}/b.example/withdraw", WHY)
    with town.database.reading() as session:
        row = session.get_one(FeedRow, GAMES)
        assert (row.etag, row.modified) == ("", "")


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("alpha/b.exampel", 404, 'No objection to "b.exampel" of alpha. Did you mean "b.example"?'),
        ("beta/b.example", 404, "See dnsfilterctl update objections."),
        ("alpha/b..example", 422, "b..example"),
    ],
)
def test_what_is_no_objection_is_named(town: Plane, path: str, status: int, message: str) -> None:
    objected(town, "alpha", None)
    answer = town.call("POST", f"{OBJECTIONS}/{path}/withdraw", WHY)
    assert (answer.status_code, message in answer.text.replace('\\"', '"')) == (status, True), answer.text


@pytest.mark.parametrize(
    ("slug", "authority", "role", "status"),
    [(GAMES, "town", "approver", 200), (GAMES, "town", "operator", 403), ("alpha", None, "approver", 403)],
)
def test_an_approver_of_the_authority_withdraws_and_an_administrator_for_the_catalogue(
    town: Plane, slug: str, authority: str | None, role: str, status: int
) -> None:
    objected(town, slug, authority)
    _, token = town.account("someone", (role, "town"))
    assert town.call("POST", f"{OBJECTIONS}/{slug}/b.example/withdraw", WHY, token=token).status_code == status
