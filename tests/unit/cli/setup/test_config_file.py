"""dnsfilter.toml is edited in place: other keys and comments stay."""

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.cli.setup.answers import Answers, answers_of
from dnsfilter.cli.setup.config_file import NEW, edited_config, reverse_zones_to_write
from dnsfilter.cli.setup.present import Present
from dnsfilter.config.load import load_config
from dnsfilter.errors import ConfigError
from tests.unit.cli.setup.conftest import options

PACKAGED = Path(__file__).parents[4] / "deploy/systemd/dnsfilter.toml"
HELD = """\
# ours
listen = ["192.0.2.1"]  # the office
workers = 1

[upstream]
servers = ["198.51.100.1"]
timeout_ms = 500

[[zone]]
suffix = "Corp.Local."
servers = ["192.0.2.9"]
"""


def asked(*typed: str) -> Answers:
    present = Present((), (), (), {"ghent": {}}, {}, "")
    return answers_of(options(*typed), present)


def test_nothing_asked_changes_nothing() -> None:
    for text in (HELD, NEW, PACKAGED.read_text()):
        assert edited_config(text, "x", Answers()) == text


def test_only_what_is_asked_changes() -> None:
    answers = asked("--upstream", "198.51.100.2:5335", "--domain", "corp.local", "--controller", "192.0.2.10")
    found = edited_config(HELD, "x", answers)
    assert found == HELD.replace('"198.51.100.1"', '"198.51.100.2:5335"').replace('"192.0.2.9"', '"192.0.2.10"')
    assert edited_config(found, "x", answers) == found


def test_the_commented_line_becomes_the_addresses() -> None:
    found = edited_config(PACKAGED.read_text(), "x", asked("--listen", "127.0.0.2"))
    assert re.findall(".*listen = .*", found)[:2] == ['listen = ["127.0.0.2:53"]', 'metrics_listen = "127.0.0.1:9153"']


@pytest.mark.parametrize("text", [NEW, PACKAGED.read_text()], ids=["new", "packaged"])
def test_a_first_run_gives_a_configuration_that_loads(tmp_path: Path, text: str) -> None:
    typed = "--listen 127.0.0.2 --upstream 198.51.100.1 --domain corp.local --controller 192.0.2.10"
    networks = ["--network", "192.0.2.0/24,public,staff", "--network", "2001:db8::/48,public,staff"]
    path = tmp_path / "dnsfilter.toml"
    path.write_text(edited_config(text, "x", asked(*typed.split(), *networks)))
    config = load_config(path)
    assert [str(endpoint.address) for endpoint in config.listen] == ["127.0.0.2"]
    assert len(config.zones) == 3
    assert config.rebinding.protect
    assert config.control_plane.url == "http://127.0.0.1:8080"
    assert str(config.control_plane.token) == "/var/lib/dnsfilter/enrolment-token"


@pytest.mark.parametrize("word", ["resolv.conf", "dns4eu"])
def test_a_word_for_servers_is_kept(word: str) -> None:
    assert f'servers = "{word}"' in edited_config(HELD, "x", asked("--upstream", word))


@pytest.mark.parametrize("text", [HELD, NEW, PACKAGED.read_text()])
def test_a_clock_to_trust_is_a_key_before_the_tables(tmp_path: Path, text: str) -> None:
    found = edited_config(text, "x", Answers(trust_clock=True))
    assert len(found.splitlines()) - len(text.splitlines()) <= 2
    path = tmp_path / "dnsfilter.toml"
    path.write_text(edited_config(found, "x", asked("--upstream", "198.51.100.1")))
    assert load_config(path).trust_clock


def test_reverse_zones_that_no_server_answers_for_are_left_out_and_only_changes_are_asked() -> None:
    network = ["--network", "192.0.2.0/24,public,staff", "--network", "2001:db8::/48,public,staff"]
    answers = asked(*network, "--controller", "192.0.2.10")
    suffixes = ["2.0.192.in-addr.arpa", "0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"]
    wanted = reverse_zones_to_write(HELD, "x", answers)
    assert [*wanted] == suffixes
    assert {str(each.address) for servers in wanted.values() for each in servers} == {"192.0.2.10"}
    found = edited_config(HELD, "x", replace(answers, left_out=frozenset(suffixes[1:])))
    assert [suffix in found for suffix in suffixes] == [True, False]
    assert list(reverse_zones_to_write(found, "x", answers)) == suffixes[1:]
    assert reverse_zones_to_write(HELD, "x", asked(*network)) == {}


def test_a_file_that_is_not_toml_is_a_problem() -> None:
    with pytest.raises(ConfigError, match="here: is not TOML"):
        edited_config("listen = [", "here", Answers())


def test_learning_mode_lasts_two_weeks(tmp_path: Path) -> None:
    path = tmp_path / "dnsfilter.toml"
    path.write_text(
        edited_config(PACKAGED.read_text(), "x", asked("--upstream", "198.51.100.1", "--learn", "10.0.0.0/8"))
    )
    clients = load_config(path).clients
    now = int(time.time())
    assert clients.admits(b"\x0a\0\0\1", now + 13 * 86_400)
    assert not clients.admits(b"\x0a\0\0\1", now + 16 * 86_400)


def test_new_keys_follow_their_table_and_not_the_comments_on_the_next() -> None:
    found = edited_config(PACKAGED.read_text(), "x", asked("--learn", "10.0.0.0/8"))
    assert 'unregistered = "learn"\nallowed = ["10.0.0.0/8"]\nlearn_until = ' in found
    zones = edited_config(PACKAGED.read_text(), "x", asked("--domain", "corp.local", "--controller", "192.0.2.10"))
    assert zones.endswith('\n[[zone]]\nsuffix = "corp.local"\nservers = ["192.0.2.10"]\n')


def test_learning_that_goes_on_gets_more_prefixes_and_one_that_has_ended_begins_again() -> None:
    first = edited_config(PACKAGED.read_text(), "x", asked("--learn", "10.0.0.0/8"))
    found = re.sub("learn_until = .*", "learn_until = 2999-01-01", first)
    again = edited_config(found, "x", asked("--learn", "10.0.0.0/8", "--learn", "fd00::/8"))
    assert again == found.replace('["10.0.0.0/8"]', '["10.0.0.0/8", "fd00::/8"]')
    past = re.sub("learn_until = .*", "learn_until = 2020-01-01", first)
    ended = edited_config(past, "x", asked("--learn", "fd00::/8"))
    assert ended == first.replace('["10.0.0.0/8"]', '["fd00::/8"]')


def test_a_later_network_gets_its_reverse_zone_from_the_servers_of_the_reverse_zones() -> None:
    network = ["--network", "192.0.2.0/24,public,staff"]
    for text in (NEW, HELD):
        assert edited_config(text, "x", asked(*network)) == text
    one = f'{HELD}\n[[zone]]\nsuffix = "10.In-Addr.Arpa."\nservers = ["192.0.2.6"]\n'
    found = edited_config(one, "x", asked(*network))
    added = '[[zone]]\nsuffix = "2.0.192.in-addr.arpa"\nservers = ["192.0.2.6"]\n'
    assert found.removeprefix(one).strip() == added.strip()
    two = f'{one}\n[[zone]]\nsuffix = "b.ip6.arpa"\nservers = ["192.0.2.8"]\n'
    assert edited_config(two, "x", asked(*network)) == two
    given = edited_config(two, "x", asked(*network, "--controller", "192.0.2.7"))
    assert given.count('servers = ["192.0.2.7"]') == 1


@pytest.mark.parametrize(
    ("text", "typed", "message"),
    [
        (
            'zone = [{suffix = "a", servers = ["192.0.2.9"]}]\n',
            "--network 192.0.2.0/24,public,staff",
            r"\[\[zone\]\] tables",
        ),
        ("clients = 3\n", "--learn 10.0.0.0/8", r"one \[clients\] table"),
        ("[clients]\n[upstream]\n[clients.x]\n", "--learn 10.0.0.0/8", r"one \[clients\] table"),
        ('[clients]\nunregistered = "resolve"\n', "--learn 10.0.0.0/8", "which has no end"),
    ],
)
def test_what_cannot_be_edited_safely_is_refused(text: str, typed: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        edited_config(text, "x", asked(*typed.split()))
