"""Presets of `[upstream] servers`."""

from pathlib import Path

import pytest

from dnsfilter.config.load import load_config
from dnsfilter.config.upstreams.presets import PRESETS
from dnsfilter.errors import ConfigError
from tests.support.documents import text


@pytest.mark.parametrize("word", PRESETS)
def test_preset_is_four_encrypted_servers_of_one_name(tmp_path: Path, word: str) -> None:
    path = tmp_path / "dnsfilter.toml"
    path.write_text(f'[upstream]\nservers = "{word}"')
    servers = load_config(path).upstream.servers
    assert [server.address.version for server in servers] == [4, 4, 6, 6]
    assert {server.tls.name for server in servers if server.tls is not None} == {PRESETS[word].name}
    assert len(set(servers)) == 4
    assert {server.port for server in servers} == {853}


@pytest.mark.parametrize("word", PRESETS)
def test_preset_and_its_page_are_documented(word: str) -> None:
    row = next(line for line in text("docs/tasks/encrypted-upstreams.md").splitlines() if f'`"{word}"`' in line)
    for expected in (PRESETS[word].page, PRESETS[word].name, *(each.strip("[]") for each in PRESETS[word].addresses)):
        assert expected in row


@pytest.mark.parametrize(
    ("word", "hint"),
    [("quad8", 'did you mean "quad9"?'), ("192.0.2.1", 'write a list of servers, or "resolv.conf"')],
)
def test_other_words_are_faults(tmp_path: Path, word: str, hint: str) -> None:
    path = tmp_path / "dnsfilter.toml"
    path.write_text(f'[upstream]\nservers = "{word}"')
    with pytest.raises(ConfigError) as raised:
        load_config(path, resolv_conf=path)
    assert hint in str(raised.value)


@pytest.mark.parametrize(("word", "hint"), [("quad8", 'did you mean "quad9"?'), ("quad9", "write it alone")])
def test_words_among_servers_are_faults(tmp_path: Path, word: str, hint: str) -> None:
    path = tmp_path / "dnsfilter.toml"
    path.write_text(f'[upstream]\nservers = ["192.0.2.1", "{word}"]')
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    assert hint in str(raised.value)
