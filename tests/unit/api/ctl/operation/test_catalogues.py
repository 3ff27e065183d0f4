"""Commands on the catalogue: what is in force, and what loading a file does."""

from pathlib import Path

from api.chain.checkpoint import public_text
from tests.unit.api.catalogue.signed_files import KEY, signed, text_of, trust
from tests.unit.api.ctl.conftest import Ctl, Served

LIST = text_of("lemon8", {1: ["lemon8-app.com", "cdn.lemon8.example"]})
WRONG = text_of("bereal", {1: ["bereal.com", "akamaiedge.net"]})
NEW = text_of("newchat", {1: ["newchat.example"]}, "NewChat")


def test_load_says_what_happens_to_each_service(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    trust(served.plane)
    file = tmp_path / "catalogue.json"
    file.write_bytes(signed(1000, {"lemon8": LIST, "bereal": WRONG, "newchat": NEW}))
    done = ctl("catalogue", "load", str(file))
    assert done.code == 0, done.err
    first, *lines = done.out.splitlines()
    assert first == "catalogue 1000 of 2026-12-20 loaded"
    by_service = {line.split(":")[0]: line for line in lines}
    assert "held back, akamaiedge.net hits" in by_service["bereal"]
    assert "new names are monitored until" in by_service["lemon8"]
    assert lines[-1] == "new service: newchat  NewChat (video)"
    shown = ctl("catalogue", "show").out.splitlines()
    assert [line.split()[-1] for line in shown[:1]] == ["1000"]
    assert shown[-1].split()[-1] == public_text(KEY)
    again = ctl("catalogue", "load", str(file))
    assert (again.code, "already has 1000" in again.err) == (2, True)


def test_catalogue_without_a_loaded_one_is_the_packaged(served: Served, ctl: Ctl) -> None:
    number = served.plane.app.state.runtime.catalogue.number
    in_force, packaged, loaded, _key = ctl("catalogue", "show").out.splitlines()
    assert (in_force.split()[-1], packaged.split()[1], loaded.split()[-1]) == (str(number), str(number), "none")


def test_other_file_is_refused_with_what_to_do(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text("<!doctype html>", encoding="utf-8")
    done = ctl("catalogue", "load", str(file))
    assert (done.code, "it is not JSON. Get it again" in done.err) == (2, True)
