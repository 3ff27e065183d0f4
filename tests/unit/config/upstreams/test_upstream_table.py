"""The keys of `[upstream]` that concern encrypted servers."""

from pathlib import Path

import pytest

from dnsfilter.config.load import load_config
from dnsfilter.errors import ConfigError
from tests.support.certificates import Authority

SERVER = 'servers = ["tls://192.0.2.1#dns.example.org"]'


def written(directory: Path, *lines: str) -> Path:
    path = directory / "dnsfilter.toml"
    path.write_text("\n".join(("[upstream]", *lines)))
    return path


def test_defaults_ask_nothing_in_clear_text(tmp_path: Path) -> None:
    upstream = load_config(written(tmp_path, SERVER)).upstream
    assert (upstream.ca, upstream.falls_back, upstream.trust_ad) == (None, False, False)


def test_each_group_says_whether_the_case_of_its_questions_varies(tmp_path: Path) -> None:
    zone = ("[[zone]]", 'suffix = "corp.example"', 'servers = ["192.0.2.10"]')
    for lines, found in ((("vary_case = true", *zone), (True, False)), ((*zone, "vary_case = true"), (False, True))):
        config = load_config(written(tmp_path, SERVER, *lines))
        assert (config.upstream.vary_case, config.zones[0].vary_case) == found


def test_each_group_says_whether_its_questions_have_cookies(tmp_path: Path) -> None:
    zone = ("[[zone]]", 'suffix = "corp.example"', 'servers = ["192.0.2.10"]')
    for lines, found in ((("cookies = true", *zone), (True, False)), ((*zone, "cookies = true"), (False, True))):
        config = load_config(written(tmp_path, SERVER, *lines))
        assert (config.upstream.cookies, config.zones[0].cookies) == found


def test_authorities_are_read_from_their_file(tmp_path: Path) -> None:
    ca = Authority(tmp_path).ca
    upstream = load_config(written(tmp_path, SERVER, 'ca = "ca.pem"', 'when_encrypted_fails = "plain"')).upstream
    assert (upstream.ca, upstream.falls_back) == (ca.read_text(), True)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ((SERVER, 'ca = "missing.pem"'), "missing.pem cannot be read: No such file or directory"),
        ((SERVER, 'ca = "empty.pem"'), "empty.pem has no certificate in PEM form"),
        ((SERVER, 'ca = "binary.pem"'), "binary.pem is not a file of certificates in PEM form"),
        (('servers = ["192.0.2.1"]', 'when_encrypted_fails = "plain"'), "has an effect only with a server such as"),
        ((SERVER, 'when_encrypted_fails = "maybe"'), "must be 'fail' or 'plain'"),
        ((SERVER.replace('"]', '", "tls://192.0.2.1:853#DNS.example.org"]'),), "is given twice"),
    ],
)
def test_fault_has_its_place(tmp_path: Path, lines: tuple[str, ...], fault: str) -> None:
    (tmp_path / "empty.pem").write_text("")
    (tmp_path / "binary.pem").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError) as raised:
        load_config(written(tmp_path, *lines))
    (problem,) = raised.value.problems
    assert "dnsfilter.toml upstream." in problem.location
    assert fault in problem.message
