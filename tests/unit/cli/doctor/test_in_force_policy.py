"""A node that does not decide by the newest policy."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.cli.doctor.contact import Contact
from dnsfilter.cli.doctor.in_force import policy
from dnsfilter.snapshot.compiler import compile_policy
from tests.support.doctor_subjects import page, subject, texts
from tests.support.policies import NOW
from tests.support.policies import policy as make_policy


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
