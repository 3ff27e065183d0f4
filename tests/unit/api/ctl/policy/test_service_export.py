"""Export services as a list for another program."""

import json

import pytest

from api.ctl.policy.service_export import FORMATS
from blocklists.catalogue import load_catalogue
from blocklists.formats.known import WRITERS
from blocklists.list_file import read_list
from tests.unit.api.ctl.conftest import Ctl, Served


@pytest.mark.parametrize("known", ["domains", "hosts", "adblock", "rpz"])
def test_a_list_has_the_names_of_tiers_1_and_2(served: Served, ctl: Ctl, known: str) -> None:
    done = ctl("service", "export", "tiktok", "vimeo", "--format", known)
    assert done.code == 0
    read = read_list([done.out.encode()])
    entries = [load_catalogue().entry(slug) for slug in ("tiktok", "vimeo")]
    names = {name.wire for entry in entries for tier in entry.tiers if tier.number < 3 for name in tier.names}
    assert (read.format, read.skipped.total()) == (known, 0)
    assert read.names.domains | read.names.hosts <= names
    assert len(read.names) > 100


def test_a_note_and_json(served: Served, ctl: Ctl) -> None:
    printed = ctl("service", "export", "vimeo", "--format", "hosts")
    assert printed.err == "names whose subdomains a hosts file does not cover: 4\n"
    found = json.loads(ctl("service", "export", "vimeo", "--format", "hosts", "--json").out)
    assert found == {"services": ["vimeo"], "format": "hosts", "list": printed.out}


def test_an_unknown_service_suggests_another(served: Served, ctl: Ctl) -> None:
    done = ctl("service", "export", "tiktook", "--format", "rpz")
    assert (done.code, done.out) != (0, "")
    assert 'Did you mean "tiktok"?' in done.err


def test_the_command_offers_every_format() -> None:
    assert set(FORMATS) == set(WRITERS)
