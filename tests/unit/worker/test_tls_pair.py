"""The pair of `[encrypted]`: what is wrong with it, and how its files are followed."""

import os
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography.x509 import load_pem_x509_certificates

from dnsfilter.config.node_config import Encrypted, Endpoint
from dnsfilter.errors import ConfigError
from dnsfilter.worker.tls_pair import LOOK_S, MOST_BYTES, Authorities, Certificates, Pair, load_pair
from tests.support.certificates import DAY, Authority

NAME = "dns.example.org"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def encrypted(tmp_path: Path, authority: Authority) -> Encrypted:
    """Return a configuration whose pair is good."""
    made = Encrypted(NAME, tmp_path / "cert.pem", tmp_path / "key.pem", (Endpoint(ip_address("127.0.0.1"), 853),))
    issue(authority, made)
    return made


def issue(authority: Authority, encrypted: Encrypted, lasting: timedelta = 30 * DAY) -> None:
    assert encrypted.certificate is not None
    assert encrypted.key is not None
    authority.issue(encrypted.certificate, encrypted.key, lasting=lasting, name=NAME)


def problems(encrypted: Encrypted) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as raised:
        load_pair(encrypted)
    return [(problem.location, problem.message) for problem in raised.value.problems]


def loaded(encrypted: Encrypted) -> Pair:
    pair = load_pair(encrypted)
    assert pair is not None
    return pair


def test_a_pair_is_for_its_names_and_those_below_them(encrypted: Encrypted) -> None:
    pair = loaded(encrypted)
    assert [name for name in (NAME, f"a.{NAME}", f"a.b.{NAME}", "example.org") if pair.covers(name)] == [
        NAME,
        f"a.{NAME}",
    ]
    assert load_pair(Encrypted(NAME, encrypted.certificate, encrypted.key)) is None


def test_an_expired_pair_can_be_used(encrypted: Encrypted, authority: Authority) -> None:
    issue(authority, encrypted, -DAY)
    assert loaded(encrypted).expires_s > 0


def test_both_files_are_named_if_both_are_wrong(encrypted: Encrypted, tmp_path: Path) -> None:
    missing = Encrypted(NAME, tmp_path / "no.pem", tmp_path, encrypted.dot_listen)
    assert problems(missing) == [
        ("encrypted.certificate", f"{tmp_path}/no.pem cannot be read: no such file or directory; check the path"),
        ("encrypted.key", f"{tmp_path} is no regular file: give a PEM file"),
    ]
    os.mkfifo(tmp_path / "fifo")
    fifo = Encrypted(NAME, tmp_path / "fifo", encrypted.key, encrypted.dot_listen)
    assert problems(fifo) == [
        ("encrypted.certificate", f"{tmp_path}/fifo is no regular file: give a PEM file"),
    ]
    (tmp_path / "text").write_text("text")
    other = Encrypted(NAME, tmp_path / "text", tmp_path / "text", encrypted.dot_listen)
    assert problems(other) == [
        ("encrypted.certificate", f"{tmp_path}/text holds no certificate in PEM"),
        ("encrypted.key", f"{tmp_path}/text holds no key in PEM without a password"),
    ]
    (tmp_path / "large").write_bytes(bytes(MOST_BYTES + 1))
    large = Encrypted(NAME, tmp_path / "large", encrypted.key, encrypted.dot_listen)
    assert problems(large) == [
        ("encrypted.certificate", f"{tmp_path}/large has more than {MOST_BYTES} bytes: give a PEM file"),
    ]


def test_a_key_of_another_certificate_is_named(encrypted: Encrypted, authority: Authority, tmp_path: Path) -> None:
    authority.issue(tmp_path / "other.pem", tmp_path / "other.key")
    swapped = Encrypted(NAME, encrypted.certificate, tmp_path / "other.key", encrypted.dot_listen)
    message = f"the key in {tmp_path}/other.key does not belong to the first certificate in {tmp_path}/cert.pem"
    assert problems(swapped) == [("encrypted.key", message)]


def test_a_changed_pair_is_loaded_at_the_next_look_and_a_bad_one_leaves_the_last(
    encrypted: Encrypted, authority: Authority
) -> None:
    certificates = Certificates()
    assert certificates.look(0.0, encrypted)
    expires_s = certificates.expires_s
    assert (len(certificates.descriptors), certificates.is_rejected) == (1, False)
    issue(authority, encrypted, 60 * DAY)
    assert not certificates.look(LOOK_S / 2, encrypted)
    assert certificates.look(LOOK_S, encrypted)
    assert (certificates.expires_s or 0) > (expires_s or 0)
    assert encrypted.key is not None
    encrypted.key.write_text("")
    assert not certificates.look(LOOK_S + 1, encrypted)
    certificates.look_soon()
    assert not certificates.look(LOOK_S + 1, encrypted)
    assert (len(certificates.descriptors), certificates.is_rejected) == (1, True)
    encrypted.key.unlink()
    certificates.look_soon()
    assert not certificates.look(LOOK_S + 2, encrypted)
    issue(authority, encrypted)
    certificates.look_soon()
    assert certificates.look(LOOK_S + 3, encrypted)
    assert certificates.is_rejected is False
    certificates.close()


def test_another_configuration_is_looked_at_at_once(encrypted: Encrypted) -> None:
    certificates = Certificates()
    assert not certificates.look(0.0, Encrypted())
    assert (certificates.descriptors, certificates.is_rejected) == ((), None)
    assert certificates.look(1.0, encrypted)
    assert not certificates.look(2.0, Encrypted())
    assert (certificates.descriptors, certificates.expires_s, certificates.is_rejected) == ((), None, None)


def test_authorities_of_devices_are_read_with_the_pair(encrypted: Encrypted, authority: Authority) -> None:
    demanding = replace(encrypted, client_ca=authority.ca)
    found = loaded(demanding).client_ca
    (read,) = load_pem_x509_certificates(authority.ca.read_bytes())
    assert found == Authorities(authority.ca.read_bytes(), int(read.not_valid_after_utc.timestamp()))
    certificates = Certificates()
    assert certificates.look(0.0, demanding)
    assert certificates.client_ca_expires_s == found.expires_s
    assert certificates.look(1.0, encrypted)
    assert certificates.client_ca_expires_s is None
    assert loaded(encrypted).client_ca is None


def test_what_is_wrong_with_authorities_is_named_with_all_else(
    encrypted: Encrypted, authority: Authority, tmp_path: Path
) -> None:
    missing = tmp_path / "no.pem"
    assert problems(replace(encrypted, key=missing, client_ca=missing)) == [
        ("encrypted.key", f"{missing} cannot be read: no such file or directory; check the path"),
        ("encrypted.client_ca", f"{missing} cannot be read: no such file or directory; check the path"),
    ]
    assert encrypted.certificate is not None
    mixed = tmp_path / "mixed.pem"
    mixed.write_bytes(authority.ca.read_bytes() + encrypted.certificate.read_bytes())
    assert problems(replace(encrypted, client_ca=mixed)) == [
        (
            "encrypted.client_ca",
            f"certificate 2 in {mixed} is no CA's: give only the CA that signs devices' certificates",
        )
    ]
    assert problems(replace(encrypted, client_ca=encrypted.key)) == [
        ("encrypted.client_ca", f"{encrypted.key} holds no certificate in PEM")
    ]


def test_changed_authorities_are_loaded_and_bad_ones_leave_the_last(
    encrypted: Encrypted, authority: Authority, tmp_path: Path
) -> None:
    file = tmp_path / "devices.pem"
    file.write_bytes(authority.ca.read_bytes())
    demanding = replace(encrypted, client_ca=file)
    certificates = Certificates()
    assert certificates.look(0.0, demanding)
    before = certificates.descriptors
    file.write_text("")
    certificates.look_soon()
    assert not certificates.look(1.0, demanding)
    assert (len(before), certificates.descriptors, certificates.is_rejected) == (2, before, True)
    other = Authority(tmp_path / "other").ca.read_bytes()
    file.write_bytes(other)
    certificates.look_soon()
    assert certificates.look(2.0, demanding)
    assert os.pread(certificates.descriptors[1], 1 << 16, 0) == other
    certificates.close()
