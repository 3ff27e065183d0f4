"""Commands about an authority's own services."""

import json
from pathlib import Path

import pytest

from api.ctl.policy import own_services
from tests.unit.api.ctl.conftest import Ctl, Served

pytestmark = pytest.mark.heavy

ADD = ("service", "add", "ghent:games", "games.example.org", "--host", "www.example.net", "--name", "Games")


def test_a_service_is_defined_shown_changed_and_removed(served: Served, ctl: Ctl) -> None:
    assert ctl(*ADD, "--source", "letter 7").code == 0
    again = ctl(*ADD)
    assert (again.code, "already exists" in again.err) == (2, True)
    assert ctl("service", "set", "ghent:games", "--note", "for schools").code == 0
    assert ctl("service", "names", "ghent:games", "--add", "a.example.com", "--remove", "games.example.org").code == 0
    lines = ctl("service", "show", "ghent:games").out.splitlines()
    assert [line.split() for line in lines] == [
        ["service", "ghent:games", "Games"],
        ["of", "ghent"],
        ["source", "letter", "7"],
        ["note", "for", "schools"],
        [],
        ["tier", "1"],
        ["a.example.com", "and", "all", "below", "it"],
        ["www.example.net", "this", "name", "only"],
    ]
    listed = json.loads(ctl("service", "list", "--authority", "ghent", "--json").out)
    assert [(one["slug"], one["names"]) for one in listed["items"]] == [("ghent:games", 2)]
    assert ctl("service", "list", "--authority", "ghent", "--category", "ai").code == 2
    assert ctl("service", "remove", "ghent:games").out == "removed service ghent:games\n"
    assert ctl("service", "show", "ghent:games").code == 2


def test_a_file_becomes_the_names_of_a_service(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    file = tmp_path / "games.txt"
    file.write_text("# games\nplay.example.org\nwww.play.example.org\nbad..name\n")
    new = ctl("service", "import", "ghent:games", str(file))
    assert (new.code, "ghent:games is new: give its name with --name" in new.err) == (2, True)
    made = ctl("service", "import", "ghent:games", str(file), "--name", "Games")
    assert made.code == 0
    assert made.out == "ghent:games: 1 name in 4 lines of format domains\n"
    assert f"1 line of {file} skipped" in made.err
    file.write_text("0.0.0.0 other.example.org\n")
    again = ctl("service", "import", "ghent:games", str(file), "--format", "hosts")
    assert again.code == 0
    assert "update 1 is pending: 1 added, 1 removed" in again.out
    assert "monitored for 72 hours" in again.err
    file.write_text("0.0.0.0 other.example.org\n0.0.0.0 third.example.org\n")
    assert ctl("service", "import", "ghent:games", str(file), "--format", "hosts").code == 0
    file.write_text("0.0.0.0 other.example.org\n")
    fewer = ctl("service", "import", "ghent:games", str(file), "--format", "hosts")
    assert ("is in force: 0 added, 1 removed" in fewer.out, "monitored" in fewer.err) == (True, False)
    tier = json.loads(ctl("service", "show", "ghent:games", "--json").out)["tiers"][0]
    assert (tier["domains"], tier["hosts"]) == ([], ["other.example.org"])
    for text in ("", "<!DOCTYPE html><html></html>"):
        file.write_text(text)
        assert ctl("service", "import", "ghent:games", str(file)).code == 2


def test_a_large_file_is_sent_and_a_larger_one_is_refused_with_the_limit(
    served: Served, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "games.txt"
    file.write_bytes(b"# \xff\n" + b"".join(b"name%d.example.org\n" % number for number in range(60_000)))
    made = ctl("service", "import", "ghent:games", str(file), "--name", "Games")
    assert (made.code, made.out) == (0, "ghent:games: 60000 names in 60001 lines of format domains\n")
    monkeypatch.setattr(own_services, "MAX_FILE_BYTES", 1_000_000)
    refused = ctl("service", "import", "ghent:games", str(file))
    assert (refused.code, f"{file} is larger than 1000000 bytes" in refused.err) == (2, True)


def test_a_name_that_offices_need_is_refused_with_what_it_hits(served: Served, ctl: Ctl) -> None:
    done = ctl("service", "add", "ghent:games", "akamaiedge.net", "--name", "Games")
    assert done.code == 2
    assert "akamaiedge.net hits" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("names", "ghent:games"), "--add or --remove"),
        (("names", "games", "--add", "example.org"), "'games' is not an own service"),
        (("show", "Ghent:Games"), "is not a service"),
    ],
)
def test_wrong_words_are_explained(served: Served, ctl: Ctl, words: tuple[str, ...], message: str) -> None:
    done = ctl("service", *words)
    assert done.code == 2
    assert message in done.err
