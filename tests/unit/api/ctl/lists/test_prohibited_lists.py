"""Commands on prohibited lists: services that are proposed for a list of a category."""

import pytest

from tests.unit.api.catalogue.signed_files import put, signed, text_of, trust
from tests.unit.api.ctl.conftest import Ctl, Served

pytestmark = pytest.mark.heavy

NEW = {slug: text_of(slug, {1: [f"{slug}.example"]}, category="news") for slug in ("newpaper", "otherpaper")}


def test_proposed_services_are_shown_until_somebody_declines_them(served: Served, ctl: Ctl) -> None:
    assert ctl("prohibited-list", "create", "ghent", "papers", "--category", "news").code == 0
    assert put(trust(served.plane), signed(1000, NEW)).status_code == 200
    shown = ctl("prohibited-list", "show", "ghent", "papers")
    assert "in its category: newpaper, otherpaper." in shown.err
    assert "dnsfilterctl prohibited-list decline ghent papers newpaper otherpaper" in shown.err
    ctl("prohibited-list", "decline", "ghent", "papers", "otherpaper")
    declined = ctl("prohibited-list", "decline", "ghent", "papers", "newpaper")
    assert "in its category" not in declined.err
    [line] = [line for line in declined.out.splitlines() if line.startswith("declined")]
    assert line.split(maxsplit=1)[1] == "otherpaper, newpaper"
    unknown = ctl("prohibited-list", "decline", "ghent", "papers", "tiktok")
    assert (unknown.code, "tiktok is not proposed for ghent/papers" in unknown.err) == (2, True)
