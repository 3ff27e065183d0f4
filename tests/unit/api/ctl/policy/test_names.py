"""Commands on single names."""

import json

import pytest

from tests.unit.api.conftest import authority, ban
from tests.unit.api.ctl.conftest import Ctl, Served

pytestmark = pytest.mark.heavy

WHY = ("--reason", "phishing")
UNDO = "dnsfilterctl name remove ghent example.com"


def test_refusing_shows_what_undoes_it_and_removing_too(served: Served, ctl: Ctl) -> None:
    done = ctl("name", "refuse", "ghent", "https://Example.com/login?x=1", "--for", "7d", *WHY)
    assert (done.code, [line.split(maxsplit=1)[0] for line in done.out.splitlines()]) == (
        0, ["refuses", "authority", "state", "since", "ends", "reason", "by", "to"],
    )  # fmt: skip
    assert "example.com, with all names below it" in done.out
    assert "through 28 September 2026" in done.out
    assert done.out.splitlines()[-1].endswith(UNDO)
    assert "verdict    refuse" in ctl("explain", "127.0.5.10", "www.example.com").out
    served.plane.clock.now += 60
    removed = ctl("name", "remove", "ghent", "example.com", "--reason", "a mistake")
    assert removed.out.splitlines() == [
        "ghent no longer refuses example.com by itself",
        'to undo: dnsfilterctl name refuse ghent example.com --until "29 September 2026 00:00:00 CEST" --reason TEXT',
    ]
    assert "verdict    pass" in ctl("explain", "127.0.5.10", "example.com").out
    again = removed.out.splitlines()[1].removeprefix("to undo: dnsfilterctl ").replace('"', "").split(" --")
    served.plane.clock.now += 5
    words = [*again[0].split(), "--until", again[1].removeprefix("until "), *WHY]
    assert ctl(*words).code == 0


def test_freeing_a_name_says_which_ban_still_refuses_it_and_how_to_go_on(served: Served, ctl: Ctl) -> None:
    done = ctl("name", "allow", "ghent", "cdn.tiktok.com", "--exact", "--reason", "the museum needs it")
    assert (done.code, "allows" in done.out, "cdn.tiktok.com, exactly" in done.out) == (0, True, True)
    assert "review by 22 March 2027" in done.out
    assert "verdict    pass" in ctl("explain", "127.0.5.10", "cdn.tiktok.com").out
    assert ctl("name", "remove", "ghent", "cdn.tiktok.com").code == 0
    served.plane.done("PUT", "/v1/authorities/state", authority())
    served.plane.done("PUT", "/v1/authorities/state/bans/tiktok", ban())
    law = {"ban": "state/tiktok", "authority": "ghent", "ground": "law", "instrument": "act", "date": "2026-01-01"}
    served.plane.done("POST", "/v1/bindings", law)
    bound = ctl("name", "allow", "ghent", "cdn.tiktok.com", "--reason", "the museum needs it")
    assert "state/tiktok, by law" in bound.out
    assert "dnsfilterctl exemption ask state/tiktok PREFIX" in bound.err


def test_list_and_json_show_names_and_a_banner(served: Served, ctl: Ctl) -> None:
    assert ctl("name", "list", "ghent").err == "no names\n"
    ctl("name", "refuse", "ghent", "example.com", *WHY)
    ctl("name", "allow", "diest", "example.net", *WHY)
    lines = ctl("name", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["authority", "diest", "ghent"]
    (only,) = json.loads(ctl("name", "list", "ghent", "--json").out)["items"]
    assert (only["name"], only["verdict"]) == ("example.com", "refuse")
    assert "example.com" in ctl("name", "show", "ghent", "example.com").out
    assert "example.com" in ctl("ban", "show", "ghent", "example.com").out
    ctl("suspend", "ghent", "--for", "30m", "--reason", "crisis centre")
    assert ctl("name", "list", "ghent").out.startswith("SUSPENDED: ")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("refuse", "ghent", "192.0.2.1", *WHY), "not an address"),
        (("refuse", "ghent", "com", *WHY), "top-level domain"),
        (("refuse", "ghent", "example.com"), "--reason"),
        (("refuse", "ghent", "microsoft.com", *WHY), "NAME: microsoft.com must always be answered"),
        (("refuse", "gehnt", "example.com", *WHY), 'Did you mean "ghent"?'),
        (("refuse", "ghent", "example.com", "--for", "3 years", *WHY), "more than 12 months ahead"),
        (("remove", "ghent", "example.com"), "See dnsfilterctl name list ghent"),
    ],
)
def test_wrong_input_says_what_is_wrong(served: Served, ctl: Ctl, words: tuple[str, ...], part: str) -> None:
    done = ctl("name", *words)
    assert (done.code, part in done.err) == (2, True), done.err
