"""What a merger stores: which ban, term, binding and exemption of the successor continues which."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.models import BanRow, BindingRow, ExemptionRow, TermRow
from api.notices.due.successor_bans import successions
from tests.unit.api.conftest import Plane, authority, ban

pytestmark = pytest.mark.heavy

DECISION = {"organ": "parliament", "reference": "decree 2026/4", "date": "2026-06-05", "legal_basis": "decree 343"}
HALF, OTHER_HALF = "203.0.113.0/25", "203.0.113.128/25"


@pytest.fixture
def merged(town: Plane) -> Plane:
    """Merge the village into the town, and an hour later the town into the city."""
    for slug in ("village", "city", "follower"):
        town.done("PUT", f"/v1/authorities/{slug}", authority())
    for prefix in (HALF, OTHER_HALF):
        values = {"authority": "village", "funding": "public", "audience": "staff"}
        town.done("PUT", f"/v1/ranges/default/{prefix}", values)
    town.done("PUT", "/v1/authorities/village/bans/alpha", ban(terms=[{"for": "1 hour"}]))
    terms = [{"for": "3 months"}, {"start": "2027-02-01", "for": "2 months"}]
    town.done("PUT", "/v1/authorities/village/bans/beta", ban(terms=terms))
    town.done("PUT", "/v1/authorities/zone/bans/alpha", ban())
    town.done("PUT", "/v1/authorities/city/bans/beta", ban(terms=[{"for": "1 month"}]))
    following = {**ban()["decision"], "reference": "own 1", "follows": "village/beta"}
    town.done("PUT", "/v1/authorities/follower/bans/beta", ban(decision=following))
    for of, to in (
        ("village/beta", "zone"),
        ("village/beta", "town"),
        ("zone/alpha", "village"),
        ("city/beta", "zone"),
    ):
        _bind(town, of, to, "law", until="2026-12-01" if of == "city/beta" else "2027-03-01")
    _bind(town, "village/beta", "follower", "agreement")
    town.done("POST", f"/v1/bindings/{_bind(town, 'village/beta', 'city', 'agreement')}/accept")
    _exempt(town, HALF, OTHER_HALF)
    _exempt(town, "198.51.100.0/24", hours=["Mon-Fri 09:00-12:00"])
    for old, new in (("village", "town"), ("town", "city")):
        town.clock.now += 7200
        body = {"into": new, "reason": "they are one", "decision": {**DECISION, "reference": f"decree {old}"}}
        town.done("POST", f"/v1/authorities/{old}/merge", body)
    town.clock.now += 1
    return town


def _bind(plane: Plane, of: str, to: str, ground: str, **more: Any) -> int:
    body = {"ban": of, "authority": to, "ground": ground, "instrument": "law 7", "date": "2026-09-01", **more}
    return int(plane.done("POST", "/v1/bindings", body)["number"])


def _exempt(plane: Plane, *prefixes: str, **more: Any) -> None:
    body = {"ban": "village/beta", "ranges": list(prefixes), "for": "4 months", "reason": "promotion", **more}
    number = plane.done("POST", "/v1/exemptions", body)["number"]
    plane.done("POST", f"/v1/exemptions/{number}/approve", {}, token=plane.other())


def _superseded(session: Session) -> Mapping[str, Mapping[str, Any]]:
    """Return what is stored of mergers."""
    bans = {f"{row.authority}/{row.service}": row.superseded_by for row in session.scalars(select(BanRow))}
    return {
        "bans": bans,
        "terms": {str(row.id): row.merged_from for row in session.scalars(select(TermRow))},
        "bindings": {str(row.number): row.superseded_by for row in session.scalars(select(BindingRow))},
        "exemptions": {str(row.number): row.superseded_by for row in session.scalars(select(ExemptionRow))},
    }


def test_each_row_of_the_merged_authority_names_the_rows_that_continue_it(merged: Plane) -> None:
    with merged.database.reading() as session:
        kept = _superseded(session)
        chain = {row.number: f"{row.authority}/{row.service}" for row in session.scalars(select(BanRow))}
        links = {chain[was]: chain[ban] for was, (ban, _) in successions(session).items()}
    # What had lapsed does not continue.
    assert links == {"village/beta": "town/beta", "town/beta": "city/beta", "town/alpha": "city/alpha"}
    assert (kept["bans"]["village/alpha"], kept["bans"]["city/beta"]) == (None, None)
    # The law that bound the zone: by the town's ban, then by the city's existing binding and one for the rest.
    assert [kept["bindings"][number] for number in ("1", "7")] == [[7], [4, 11]]
    assert kept["bindings"]["2"] == [], "the town needs no binding to its own ban"
    assert [kept["exemptions"][number] for number in ("1", "2", "3", "4")] == [[3], [4], [5], [6]]
    assert {of for of in kept["terms"].values() if of is not None} == {"village", "town"}
