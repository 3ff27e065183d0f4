"""Asking the control plane once: a fake one on loopback, with and without TLS."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dnsfilter.cli.doctor.contact import ask_control_plane, contact
from dnsfilter.cli.doctor.in_force import certificates, control_plane
from dnsfilter.config.node_config import ControlPlane
from dnsfilter.control.identity import Identity
from dnsfilter.snapshot.compiler import compile_policy
from tests.support.certificates import Authority
from tests.support.doctor_subjects import subject, texts, write
from tests.support.fake_control_plane import TOKEN, Played
from tests.support.policies import NOW, policy

IDENTITY = Identity("ghent-1", "default", TOKEN, "00" * 32, "installation", "http://127.0.0.1")


def test_published_revision_and_the_other_clock_are_read() -> None:
    with Played() as plane:
        plane.publish(compile_policy(policy(revision=7), NOW))
        found = ask_control_plane(ControlPlane(plane.url), plane.url, IDENTITY)
    assert (found.enrolled, found.status, found.version, found.trouble) == (True, 200, (0, 7), "")
    assert found.clock_ahead_s is not None
    assert abs(found.clock_ahead_s) < 3600
    assert found.ends_s is None
    assert plane.spoken[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("status", [401, 503])
def test_refusal_is_read_without_the_token(status: int) -> None:
    with Played() as plane:
        plane.script.status = status
        found = ask_control_plane(ControlPlane(plane.url), plane.url, IDENTITY)
    assert (found.status, found.version) == (status, None)
    assert found.detail.startswith(f"status {status}")
    assert TOKEN not in repr(found)


def test_node_without_an_identity_sends_no_token() -> None:
    with Played() as plane:
        found = ask_control_plane(ControlPlane(plane.url), plane.url, None)
    assert not found.enrolled
    assert plane.spoken[0].path == "/healthz"
    assert "authorization" not in plane.spoken[0].headers


def test_end_of_a_trusted_certificate_is_read_and_an_unknown_one_is_not_trusted(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "one"), Authority(tmp_path / "other")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    authority.issue(certificate, key)
    with Played((certificate, key)) as plane:
        plane.publish(compile_policy(policy(revision=7), NOW))
        good = ask_control_plane(ControlPlane(plane.url, ca=authority.ca), plane.url, IDENTITY)
        bad = ask_control_plane(ControlPlane(plane.url, ca=other.ca), plane.url, IDENTITY)
        lost = ask_control_plane(ControlPlane(plane.url, ca=tmp_path / "none.pem"), plane.url, IDENTITY)
    assert (good.version, good.untrusted) == ((0, 7), False)
    assert good.ends_s is not None
    assert bad.untrusted
    assert bad.trouble.startswith("its certificate is not trusted: ")
    assert "none.pem" in lost.trouble


def test_certificate_that_has_ended_is_found_with_its_end_until_it_is_replaced(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "one")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    node = subject(tmp_path)
    for hours, found in ((-1, True), (24 * 30, False)):
        authority.issue(certificate, key, lasting=timedelta(hours=hours))
        with Played((certificate, key)) as plane:
            plane.publish(compile_policy(policy(revision=7), NOW))
            asked = ask_control_plane(ControlPlane(plane.url, ca=authority.ca), plane.url, IDENTITY)
        now = replace(node, contact=asked, now_s=time.time())
        assert [" ended at " in text for text in texts(certificates(now))] == [True] * found
        assert control_plane(now).findings == ()
        assert bool(control_plane(now).unseen) is found


def test_identity_that_cannot_be_read_is_no_trouble_of_the_control_plane(tmp_path: Path) -> None:
    config = subject(tmp_path, '[control_plane]\nurl = "http://127.0.0.1:1"').config
    write(config.node_dir, "identity.json", "{")
    found = contact(config)
    assert found is not None
    assert "identity.json" in found.unread
    assert not found.trouble


def test_control_plane_that_is_down_has_trouble() -> None:
    with Played() as plane:
        url = plane.url
    assert ask_control_plane(ControlPlane(url), url, IDENTITY).trouble == "connection refused"
