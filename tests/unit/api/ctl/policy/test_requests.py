"""An operator cannot walk around the second person with dnsfilterctl."""

import json
from pathlib import Path

import pytest

from tests.unit.api.conftest import Plane
from tests.unit.api.ctl.conftest import Ctl, listening

pytestmark = pytest.mark.heavy

WALKS = (
    "ban set town alpha --audience pupils",
    "ban set town alpha --funding private",
    "ban set town alpha --tiers 1",
    "ban set town alpha --reply address --address 203.0.113.80",
    "ban set town alpha --mode off",
    "ban end town alpha --reason over",
    "range set 192.0.2.0/24 --audience public",
    "range add town 192.0.2.64/26 --funding private --audience staff",
    "range remove 192.0.2.0/24",
)


@pytest.mark.parametrize("command", WALKS)
def test_every_way_to_refuse_less_waits_for_an_approver(town: Plane, tmp_path: Path, ctl: Ctl, command: str) -> None:
    town.done("PUT", "/v1/spaces/default/192.0.2.0/24", {"authority": "town"})
    town.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": True})
    roles = {"desk": "operator", "approver": "approver"}
    for login, role in roles.items():
        (tmp_path / login).write_text(town.account(login, (role, "town"))[1])
    question = "/v1/decision?client=192.0.2.70&name=alpha2.example.org"
    with listening(town.app) as url:

        def run(login: str, *words: str, code: int = 0) -> str:
            found = ctl("--api", url, "--token-file", str(tmp_path / login), *words)
            assert found.code == code, found.err
            return found.out

        town.clock.now += 1  # The ban is no longer in its first second, which an end keeps.
        words, as_json = command.split(), command == WALKS[0]
        said = run("desk", *words, *(["--json"] if as_json else []), code=5)
        if as_json:
            assert json.loads(said)["state"] == "requested"
        else:
            assert said == "Request 1 waits for an approver of town.\n"
        assert town.done("GET", question)["rcode"] == "REFUSED"
        assert "requested" in run("desk", "request", "list")
        shown = run("approver", "request", "show", "1")
        assert "\nIt would do:\n" in shown
        assert "\nIt would no longer refuse:\n  town, " in shown
        done = run("approver", "request", "approve", "1")
        assert ("\nDone as requested:\n" in done, "\nNo longer refused:\n  town, " in done) == (True, True)
        assert "would" not in done
    decision = town.done("GET", question)
    assert (decision["winner"] is None) != ("--reply" in command)


def test_reason_is_given_by_an_option(town: Plane, tmp_path: Path, ctl: Ctl) -> None:
    town.done("PUT", "/v1/spaces/default/192.0.2.0/24", {"authority": "town"})
    town.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_reason": True})
    (tmp_path / "desk").write_text(town.account("desk", ("operator", "town"))[1])
    with listening(town.app) as url:
        asked = ("--api", url, "--token-file", str(tmp_path / "desk"))
        for words in (("ban", "set", "town", "alpha", "--tiers", "1"), ("range", "remove", "192.0.2.0/24")):
            refused = ctl(*asked, *words)
            assert (refused.code, "--reason: town requires a reason when less is refused" in refused.err) == (2, True)
            assert ctl(*asked, *words, "--reason", "the hall is sold").code == 0
    reasons = [item["after"]["reason"] for item in town.done("GET", "/v1/audit?act=refusals.lift")["items"]]
    assert reasons == ["the hall is sold"] * 2
