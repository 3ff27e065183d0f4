"""A node without a control plane carries out the prohibited lists and the links of its policy file."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from dnsfilter.cli.main import main
from dnsfilter.cli.publishing import publish_policy_file
from dnsfilter.config.load import load_config
from dnsfilter.policy.decide import Verdict
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.wire.names import parse_name
from tests.support.opened_snapshot import opened
from tests.support.policies import NOW

CLIENTS = {"region": "192.0.2.10", "town": "198.51.100.10", "village": "203.0.113.10"}
OWNERS = "".join(
    f"""
[[authority]]
slug = "{slug}"
kind = "municipality"
names = {{ nl = "Stad" }}
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@example.org"
[[range]]
prefix = "{client.removesuffix("10")}0/24"
authority = "{slug}"
funding = "public"
audience = "staff"
"""
    for slug, client in CLIENTS.items()
)
LISTS = """
[[list]]
authority = "region"
slug = "apps"
[[list.version]]
adds = ["tiktok", "temu"]
[[list.version.term]]
start = 2020-01-01
review_by = 2030-01-01
[[list.version]]
removes = ["temu"]
[[list_link]]
list = "region/apps"
authority = "town"
ground = "law"
instrument = "act 1"
start = 2020-01-01
[[list_link]]
list = "region/apps"
authority = "village"
ground = "following"
start = 2020-01-01
"""


def test_bans_of_a_list_refuse_for_its_authority_and_for_who_is_bound(tmp_path: Path) -> None:
    config, file = tmp_path / "dnsfilter.toml", tmp_path / "policy.toml"
    config.write_text('state_dir = "state"\n[upstream]\nservers = ["192.0.2.53"]\n')
    file.write_text(OWNERS + LISTS)
    store = SnapshotStore(tmp_path / "snapshots")
    publish_policy_file(file, load_config(config), store, NOW)
    snapshot = opened(store)
    refused = {
        (owner, name)
        for owner, client in CLIENTS.items()
        for name in ("www.tiktok.com", "www.temu.com")
        if snapshot.decide(ip_address(client), parse_name(name), snapshot.made_s).verdict is Verdict.REFUSE
    }
    assert refused == {("region", "www.tiktok.com"), ("town", "www.tiktok.com")}


def test_check_prints_every_fault_of_lists_and_links(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "policy.toml"
    wrong = {'"temu"]\n[[': '"tmeu"]\n[[', 'removes = ["temu"]': 'removes = ["zalo"]', '"region/apps"': '"region/aps"'}
    text = LISTS
    for old, new in wrong.items():
        text = text.replace(old, new, 1)
    file.write_text(OWNERS + text)
    with pytest.raises(SystemExit) as left:
        main(["check", "--policy", str(file)])
    assert left.value.code == 2
    printed = capsys.readouterr().err
    for location in ("list[0].version[0].adds[1]", "list[0].version[1].removes[0]", "list_link[0].list"):
        assert f"{file} {location}" in printed
