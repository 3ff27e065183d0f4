"""Commands on links of prohibited lists: what waits for an authority is listed until it is adopted."""

import pytest

from tests.unit.api.ctl.conftest import Ctl

pytestmark = pytest.mark.heavy

DECIDED = ("--legal-basis", "B-1", "--reference", "R-1")


@pytest.mark.usefixtures("served")
def test_services_that_wait_are_listed_with_requests_until_they_are_adopted(ctl: Ctl) -> None:
    assert ctl("prohibited-list", "create", "ghent", "apps", "lemon8").code == 0
    assert ctl("prohibited-list", "adopt", "ghent", "apps", *DECIDED, "--for", "1 month").code == 0
    assert "list-link list --waiting" not in ctl("request", "list").err
    for authority in ("diest", "mechelen"):
        assert ctl("list-link", "add", authority, "ghent/apps", "--ground", "following").code == 0
    assert ctl("list-link", "adopt", "1", *DECIDED).code == 0
    waiting = ctl("list-link", "list", "--waiting")
    assert [line.split()[:3] for line in waiting.out.splitlines()[1:]] == [["2", "ghent/apps", "mechelen"]]
    assert "dnsfilterctl list-link list --waiting" in ctl("request", "list").err
    assert "list-link list --waiting" not in ctl("request", "list", "--state", "approved").err
    assert ctl("list-link", "adopt", "2", *DECIDED).code == 0
    assert "no links" in ctl("list-link", "list", "--waiting").err
    assert "list-link list --waiting" not in ctl("request", "list").err
