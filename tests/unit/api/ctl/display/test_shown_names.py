"""Names of slugs cost few requests."""

import json

from api.ctl.display.shown_names import LISTED, Names
from api.ctl.remote.client import Client
from tests.unit.api.ctl.conftest import TOKEN, Scripted, answered_authority


def _authorities(*slugs: str) -> list[dict[str, object]]:
    return [answered_authority(slug, names={"nl": slug.title()}) for slug in slugs]


def test_each_name_is_requested_once(scripted: Scripted) -> None:
    scripted.answers["/v1/authorities/ghent"] = (200, "application/json", json.dumps(_authorities("ghent")[0]).encode())
    with Client(scripted.url, TOKEN) as client:
        names = Names(client)
        assert [names.authority("ghent"), names.authority("ghent"), names.time_zone("ghent")] == [
            "Ghent",
            "Ghent",
            "Europe/Brussels",
        ]
        assert [names.authority("gone"), names.service("gone"), names.time_zone("gone")] == ["gone", "gone", None]
    assert [spoken.path.rpartition("/")[2] for spoken in scripted.spoken] == ["ghent", "gone", "gone"]


def test_many_names_come_with_one_list(scripted: Scripted) -> None:
    slugs = [f"town-{number}" for number in range(LISTED)]
    page = {"items": _authorities(*slugs), "next": None}
    scripted.answers["/v1/authorities"] = (200, "application/json", json.dumps(page).encode())
    with Client(scripted.url, TOKEN) as client:
        names = Names(client)
        names.prepare(slugs)
        assert [names.authority(slug) for slug in slugs] == [slug.title() for slug in slugs]
    assert len(scripted.spoken) == 1
