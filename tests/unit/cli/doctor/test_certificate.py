"""The certificate of `[encrypted]`, as `dnsfilter check` and `dnsfilter doctor` see it."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dnsfilter.cli.doctor.certificate import certificate_text, encrypted
from dnsfilter.cli.doctor.findings import Subject
from dnsfilter.errors import ConfigError
from tests.support.certificates import DAY, Authority
from tests.support.doctor_subjects import subject, texts

NAME = "dns.example.org"
TABLE = f"""
[encrypted]
name = "{NAME}"
certificate = "cert.pem"
key = "key.pem"
dot_listen = ["127.0.0.1"]
"""


def node(directory: Path, lasting: timedelta = 30 * DAY, name: str = NAME) -> Subject:
    """Return a node with a certificate for that name and time from now on."""
    Authority(directory / "authority").issue(directory / "cert.pem", directory / "key.pem", lasting=lasting, name=name)
    return replace(subject(directory, TABLE), now_s=time.time())


def test_a_good_certificate_is_shown_with_its_end(tmp_path: Path) -> None:
    good = node(tmp_path)
    assert encrypted(good).seen.startswith(f"the certificate is for {NAME} and valid until ")
    assert (certificate_text(good.config) or "").startswith(f"for {NAME} until ")


@pytest.mark.parametrize(("days", "words"), [(-1, "expired on"), (13, "expires on")])
def test_a_certificate_that_clients_reject_now_or_soon_is_found(tmp_path: Path, days: int, words: str) -> None:
    old = node(tmp_path, days * DAY)
    (found,) = encrypted(old).findings
    assert found.text.startswith(f"the certificate {words} ")
    assert "certbot renew" in found.advice
    assert certificate_text(old.config) == found.text


@pytest.mark.parametrize(("days", "words"), [(-1, "expired on"), (59, "expires on"), (61, None)])
def test_a_ca_of_devices_that_ends_soon_is_found(tmp_path: Path, days: int, words: str | None) -> None:
    made = node(tmp_path)
    devices = Authority(tmp_path / "devices", lasting=days * DAY)
    encrypted_by = replace(made.config.encrypted, client_ca=devices.ca)
    demanding = replace(made, config=replace(made.config, encrypted=encrypted_by))
    found = encrypted(demanding).findings
    assert [each.text.startswith(f"the CA of devices {words} ") for each in found] == ([] if words is None else [True])


def test_a_certificate_for_another_name_is_found(tmp_path: Path) -> None:
    other = node(tmp_path, name="other.example.org")
    assert texts(encrypted(other)) == [f"the certificate is for other.example.org, *.other.example.org, not for {NAME}"]


def test_a_pair_that_cannot_be_used_is_found(tmp_path: Path) -> None:
    broken = node(tmp_path)
    (tmp_path / "key.pem").unlink()
    (found,) = encrypted(broken).findings
    assert found.text.startswith(f"encrypted.key: {tmp_path}/key.pem cannot be read")
    with pytest.raises(ConfigError):
        certificate_text(broken.config)


def test_a_node_without_listeners_needs_none(tmp_path: Path) -> None:
    plain = subject(tmp_path)
    assert encrypted(plain).seen == "no encrypted listeners are configured"
    assert certificate_text(plain.config) is None
