"""What is in force on the node: configuration, policy, control plane, certificates, clock and upgrade."""

import errno
import os
import shlex
import shutil
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dnsfilter.cli.doctor.contact import Contact
from dnsfilter.cli.doctor.findings import Subject
from dnsfilter.cli.doctor.in_force import certificates, clock, configuration, control_plane, policy, upgrade
from dnsfilter.cli.main import make_parser
from dnsfilter.errors import Problem
from dnsfilter.local.running_node import Failure, RunningConfig
from dnsfilter.policy.model import DAY_S
from dnsfilter.snapshot.compiler import compile_policy
from tests.support.certificates import Authority
from tests.support.doctor_subjects import page, subject, texts, write
from tests.support.policies import NOW
from tests.support.policies import policy as make_policy


def test_certificate_is_found_from_two_weeks_before_its_end(tmp_path: Path) -> None:
    contact = Contact("https://192.0.2.9", True, status=200, ends_s=NOW + 13 * DAY_S)
    node = replace(subject(tmp_path), contact=contact)
    (found,) = certificates(node).findings
    assert found.text == "the certificate of https://192.0.2.9 ends in 13 days, at 2026-04-10T00:00:00Z"
    assert found.advice.startswith("on the control plane's machine replace the files")
    assert texts(certificates(replace(node, contact=replace(contact, ends_s=NOW + 90 * DAY_S)))) == []


def test_certificate_that_was_not_seen_is_unknown(tmp_path: Path) -> None:
    assert certificates(replace(subject(tmp_path), contact=Contact("https://192.0.2.9", True, "refused"))).unseen


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (90, []),
        (13, ["the certificate /etc/dnsfilter/api-certificate.pem ends in 13 days,"]),
        (-0.5, ["the certificate /etc/dnsfilter/api-certificate.pem ended"]),
    ],
)
def test_certificate_of_this_machines_control_plane_is_found_though_its_own_node_asks_without_tls(
    tmp_path: Path, days: float, expected: list[str]
) -> None:
    node = replace(subject(tmp_path), contact=Contact("http://127.0.0.1:8080", True, status=200), now_s=time.time())
    assert certificates(node).seen == "the control plane is asked without TLS"
    file = node.root / "etc/dnsfilter/api-certificate.pem"
    write(node.root, "etc/dnsfilter/api.env", "DNSFILTER_API_TLS_CERTIFICATE=/etc/dnsfilter/api-certificate.pem\n")
    assert "/etc/dnsfilter/api-certificate.pem cannot be read" in str(certificates(node).unseen)
    lasting = timedelta(days=days, minutes=1)
    Authority(tmp_path / "authority").issue(file, tmp_path / "key.pem", lasting=lasting)
    assert [text.partition(" at ")[0] for text in texts(certificates(node))] == expected
    file.write_text("no certificate")
    assert texts(certificates(node)) == ["/etc/dnsfilter/api-certificate.pem holds no certificate"]


def test_clock_that_the_node_does_not_believe_is_found(tmp_path: Path) -> None:
    node = subject(tmp_path)
    doubted = replace(node, page=page(dnsfilter_clock_doubted=1))
    assert texts(clock(doubted)) == [
        "the node does not believe this clock: it jumped ahead, it was just set, or the machine was off for over a week"
    ]
    assert "timedatectl set-ntp true" in clock(doubted).findings[0].advice
    assert "rtcsync" in clock(doubted).findings[0].advice
    assert "trust_clock = true" in clock(doubted).findings[0].advice
    assert texts(clock(replace(node, page=page(dnsfilter_clock_doubted=0)))) == []


def test_clock_earlier_than_the_snapshot_is_found_without_a_running_node(tmp_path: Path) -> None:
    node = replace(subject(tmp_path), page="no node")
    assert texts(clock(replace(node, now_s=NOW - 61))) == [
        "the clock says 2026-03-27T23:58:59Z, but the snapshot was made at 2026-03-28T00:00:00Z"
    ]
    assert texts(clock(replace(node, now_s=NOW - 60))) == []


@pytest.mark.parametrize(("ahead_s", "side"), [(61.0, "behind"), (-61.0, "ahead of"), (60.0, None), (-60.0, None)])
def test_clock_that_differs_from_the_control_planes_is_found(tmp_path: Path, ahead_s: float, side: str | None) -> None:
    contact = Contact("http://192.0.2.9", True, status=200, clock_ahead_s=ahead_s)
    found = texts(clock(replace(subject(tmp_path), contact=contact)))
    assert found == ([] if side is None else [f"this clock is 61 s {side} the control plane's"])


SINCE = "the configuration in force since 2026-03-28T00:00:00Z answers"


def node(place: Path, **changes: Any) -> Subject:
    made = subject(place)
    answering = {"running": RunningConfig("0.0.1", "", NOW)}
    return replace(made, known=replace(made.known, **{**answering, **changes}))


@pytest.mark.parametrize(
    ("changes", "text", "advice"),
    [
        (
            {"written": None, "faults": (Problem("FILE:3", "cannot be read as TOML"),)},
            "FILE:3: cannot be read as TOML",
            "mend",
        ),
        (
            {"running": RunningConfig("0.0.1", "", NOW, Failure(NOW, "user: type systemctl restart dnsfilter"))},
            "the reload at 2026-03-28T00:00:00Z failed: user: type systemctl restart dnsfilter",
            "do what the reason says",
        ),
        (
            {"written": None},
            "FILE was changed and not reloaded",
            "type dnsfilter check --config FILE && systemctl reload",
        ),
    ],
)
def test_file_that_is_not_in_force_is_found_with_the_time_of_the_one_that_is(
    tmp_path: Path, changes: dict[str, Any], text: str, advice: str
) -> None:
    file = str(tmp_path / "dnsfilter.toml")
    (found,) = configuration(node(tmp_path, **changes)).findings
    assert found.text.replace(file, "FILE") == f"{text}; {SINCE}"
    assert advice in found.advice.replace(file, "FILE")
    assert texts(configuration(node(tmp_path))) == []


def test_configuration_of_a_node_that_cannot_be_asked_is_unknown(tmp_path: Path) -> None:
    assert "no node runs" in configuration(subject(tmp_path)).unseen


URL = "https://192.0.2.9"


@pytest.mark.parametrize(
    ("contact", "text", "advice"),
    [
        (Contact(URL, True, "connection refused"), f"{URL}: connection refused", "systemctl status dnsfilter-api"),
        (
            Contact(URL, True, "its certificate is not trusted", untrusted=True),
            f"{URL}: its certificate is not trusted",
            "set [control_plane] ca",
        ),
        (Contact(URL, status=200), "this node has not enrolled at its control plane", "type dnsfilter enrol --config"),
        (
            Contact(URL, True, status=401, detail="status 401"),
            f"{URL} does not accept this node's token: status 401",
            "type dnsfilterctl node token NAME --out enrolment-token",
        ),
        (Contact(URL, True, status=503, detail="status 503"), f"{URL} answers with status 503", "dnsfilterctl status"),
    ],
)
def test_what_keeps_a_node_from_pulling_is_found(tmp_path: Path, contact: Contact, text: str, advice: str) -> None:
    found = control_plane(replace(subject(tmp_path), contact=contact))
    assert texts(found) == [text]
    assert advice in found.findings[0].advice


def test_identity_that_this_user_may_not_read_says_nothing_about_the_control_plane(tmp_path: Path) -> None:
    found = control_plane(
        replace(subject(tmp_path), contact=Contact(URL, unread="read identity.json: permission denied"))
    )
    assert texts(found) == []
    assert "read identity.json: permission denied: run this as root" in found.unseen


def test_advice_to_enrol_has_every_option_that_the_command_needs(tmp_path: Path) -> None:
    node = replace(subject(tmp_path), contact=Contact(URL, status=200))
    (found,) = control_plane(node).findings
    command = found.advice.partition("; then type dnsfilter ")[2]
    assert make_parser().parse_args(shlex.split(command)).token_file == Path("enrolment-token")
    shutil.rmtree(node.store.directory)
    assert policy(node).findings[0].advice == found.advice


@pytest.mark.parametrize("contact", [None, Contact(URL, True, status=200, version=(0, 1))])
def test_control_plane_that_answers_is_fine(tmp_path: Path, contact: Contact | None) -> None:
    assert texts(control_plane(replace(subject(tmp_path), contact=contact))) == []


def test_advice_to_enrol_needs_no_options_for_the_installed_configuration(tmp_path: Path) -> None:
    node = replace(subject(tmp_path), contact=Contact(URL, status=200), options="")
    (found,) = control_plane(node).findings
    assert "then type dnsfilter enrol --token-file enrolment-token" in found.advice


def test_store_without_a_snapshot_is_found_until_one_is_published(tmp_path: Path) -> None:
    node = subject(tmp_path)
    shutil.rmtree(node.store.directory)
    (found,) = policy(node).findings
    assert found.text.startswith("no snapshot can be used: ")
    assert "dnsfilterctl policy apply POLICY" in found.advice
    assert texts(policy(subject(tmp_path))) == []


def test_store_that_this_user_may_not_read_is_unknown_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Path) -> list[str]:
        raise PermissionError(errno.EACCES, "Permission denied")

    node = subject(tmp_path)
    (node.store.directory / "current").unlink()
    monkeypatch.setattr(os, "listdir", refused)
    found = policy(node)
    assert texts(found) == []
    assert "run this as root" in found.unseen


def test_node_with_another_revision_than_its_disk_or_the_control_plane_is_found(tmp_path: Path) -> None:
    node = subject(tmp_path)
    node.store.publish(compile_policy(make_policy(revision=2), NOW))
    contact = Contact("http://192.0.2.9", True, status=200, version=(0, 3))
    assert texts(policy(replace(node, contact=contact))) == [
        "the node decides by revision 1, but 2 is on disk",
        "the control plane has published revision 3, but this node has 2",
    ]
    mended = replace(node, page=page(dnsfilter_snapshot_revision=2), contact=replace(contact, version=(0, 2)))
    assert texts(policy(mended)) == []


@pytest.mark.parametrize("epoch", [0, 4])
def test_published_policy_that_no_node_takes_is_found_until_it_is_of_a_later_epoch(tmp_path: Path, epoch: int) -> None:
    node = subject(tmp_path)
    node.store.publish(compile_policy(replace(make_policy(revision=9), epoch=4), NOW))
    node = replace(node, page=page(dnsfilter_snapshot_revision=9))
    contact = Contact("http://192.0.2.9", True, status=200, version=(epoch, 7 if epoch == 4 else 12))
    (found,) = policy(replace(node, contact=contact)).findings
    assert "and no node goes back" in found.text
    assert "dnsfilter-api accept" in found.advice
    (tmp_path / "followed").mkdir()
    followed = subject(tmp_path / "followed", published=replace(make_policy(revision=7), epoch=5))
    followed = replace(followed, page=page(dnsfilter_snapshot_revision=7), contact=replace(contact, version=(5, 7)))
    assert texts(policy(followed)) == []


def test_restore_under_a_clock_that_was_ahead_needs_another_enrolment(tmp_path: Path) -> None:
    node = subject(tmp_path, published=replace(make_policy(revision=1), epoch=NOW + 86_400))
    contact = Contact("http://192.0.2.9", True, status=200, version=(NOW, 12))
    (found,) = policy(replace(node, contact=contact)).findings
    assert "when the control plane's clock was ahead" in found.text
    assert "dnsfilter enrol" in found.advice


def test_snapshot_that_was_chosen_here_is_named_as_such(tmp_path: Path) -> None:
    node = subject(tmp_path)
    node.store.publish(compile_policy(make_policy(revision=2), NOW))
    node.store.use(1)
    node = replace(node, contact=Contact("http://192.0.2.9", True, status=200, version=(0, 2)))
    (found,) = policy(node).findings
    assert found.text == "the control plane has published revision 2, but this node has 1, chosen by snapshot use"
    assert found.advice.startswith(f"type dnsfilter snapshot use 2 --reason WHY {node.options}")
    node.store.use(2)
    assert texts(policy(replace(node, page=page(dnsfilter_snapshot_revision=2)))) == []


def test_quarantined_revision_is_found_until_its_quarantine_ends(tmp_path: Path) -> None:
    node = subject(tmp_path)
    node.store.publish(compile_policy(make_policy(revision=2), NOW))
    node.store.quarantine(2, "workers died of it")
    (found,) = policy(node).findings
    assert found.text.startswith("revision 1 is used instead of the newest one: ")
    assert f"dnsfilter snapshot list {node.options}" in found.advice
    node.store.unquarantine(2)
    assert texts(policy(replace(node, page=page(dnsfilter_snapshot_revision=2)))) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dnsfilter_engine_fallback", "the node runs the slow reference engine"),
        ("dnsfilter_bans_lifted", "bans of the newest revision are not refused, because an older one took its place"),
        ("dnsfilter_snapshots_quarantined_total", "a snapshot was quarantined since the start"),
    ],
)
def test_what_the_running_node_reports_is_found(tmp_path: Path, name: str, text: str) -> None:
    node = replace(subject(tmp_path), page=page(dnsfilter_snapshot_revision=1, **{name: 1}))
    assert texts(policy(node)) == [text]
    assert texts(policy(replace(node, page=page(dnsfilter_snapshot_revision=1, **{name: 0})))) == []


def test_node_that_cannot_be_asked_is_found(tmp_path: Path) -> None:
    (text,) = texts(policy(replace(subject(tmp_path), page="connection refused")))
    assert text == "the running node cannot be asked: connection refused"


def test_upgrade_that_failed_is_found_until_one_succeeds(tmp_path: Path) -> None:
    node = subject(tmp_path)
    running = RunningConfig("0.0.1", "", NOW, upgrade=Failure(NOW, "its trial ended with status 2"))
    (found,) = upgrade(replace(node, known=replace(node.known, running=running))).findings
    assert (
        found.text == "the upgrade at 2026-03-28T00:00:00Z failed: its trial ended with status 2; version 0.0.1 answers"
    )
    assert "systemctl kill --kill-whom=main -s USR2 dnsfilter" in found.advice
    assert texts(upgrade(replace(node, known=replace(node.known, running=RunningConfig("0.0.2", "", NOW))))) == []
    assert upgrade(node).unseen
