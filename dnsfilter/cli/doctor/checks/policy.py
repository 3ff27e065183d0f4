"""The policy in force: on disk, in the running node, and as the control plane has published it."""

import os
from collections.abc import Iterator
from pathlib import Path

from dnsfilter.cli.doctor.checks.control_plane import enrol_advice
from dnsfilter.cli.doctor.findings import AS_ROOT, Finding, Outcome, Subject
from dnsfilter.errors import SnapshotError
from dnsfilter.policy.calendar import instant_text
from dnsfilter.snapshot.manifest import parse_manifest
from dnsfilter.telemetry.metrics import BANS_LIFTED, ENGINE_FALLBACK, SNAPSHOT_REVISION, SNAPSHOTS_QUARANTINED

ACCEPT = (
    "check the clock of the control plane's machine; if its policy is the right one, type there "
    "systemctl stop dnsfilter-api, dnsfilter-api accept, systemctl start dnsfilter-api: all nodes follow"
)
LOG = "journalctl -u dnsfilter -n 50"


def policy(subject: Subject) -> Outcome:
    """Find a node that does not decide by the newest policy."""
    try:
        stored, passed_over = subject.store.read_best()
    except SnapshotError as error:
        if _is_closed(subject.store.directory):
            return Outcome(unseen=f"the policy in force: this user may not read {subject.store.directory}: {AS_ROOT}")
        return Outcome((Finding(f"no snapshot can be used: {error}", _first_advice(subject)),))
    running = subject.metric(SNAPSHOT_REVISION.name)
    findings = list(_findings(subject, parse_manifest(stored.manifest).version, running))
    if passed_over is not None:
        text = f"revision {stored.revision} is used instead of the newest one: {passed_over}"
        findings.append(Finding(text, f"type dnsfilter snapshot list {subject.options}".rstrip()))
    if stored.damaged:
        text = f"a file of revision {stored.revision} is damaged; its second copy is used"
        findings.append(Finding(text, "check the disk; the next act at the control plane writes another revision"))
    return Outcome(tuple(findings), f"revision {stored.revision} is in force")


def _is_closed(directory: Path) -> bool:
    """Return whether this user may not look into it. Nothing is wrong with the node then."""
    try:
        os.listdir(directory)
    except OSError as error:
        return isinstance(error, PermissionError)
    return False


def _findings(subject: Subject, version: tuple[int, int], running: float | None) -> Iterator[Finding]:
    stored = version[1]
    if isinstance(subject.page, str):
        yield Finding(f"the running node cannot be asked: {subject.page}", "type systemctl start dnsfilter")
    elif running is not None and running != stored:
        yield Finding(f"the node decides by revision {running:.0f}, but {stored} is on disk", f"type {LOG}")
    published = None if subject.contact is None else subject.contact.version
    if published is not None and published != version:
        text = f"the control plane has published revision {published[1]}, but this node has {stored}"
        if subject.store.held_up_to() is not None:
            back = f"type dnsfilter snapshot use {published[1]} --reason WHY {subject.options}".rstrip()
            yield Finding(f"{text}, chosen by snapshot use", f"{back}, once the reason is gone")
        elif published < version:
            yield _behind_for_good(f"{text}, and no node goes back", subject, version[0])
        else:
            yield Finding(text, f"type {LOG}")
    if subject.metric(BANS_LIFTED.name):
        look = f"type dnsfilter snapshot list {subject.options}".rstrip()
        yield Finding("bans of the newest revision are not refused, because an older one took its place", look)
    if subject.metric(ENGINE_FALLBACK.name):
        yield Finding("the node runs the slow reference engine", f"type {LOG}, then systemctl restart dnsfilter")
    if subject.metric(SNAPSHOTS_QUARANTINED.name):
        yield Finding(
            "a snapshot was quarantined since the start",
            f"type dnsfilter snapshot list {subject.options}".rstrip() + f", then {LOG}; a restart clears this",
        )


def _behind_for_good(text: str, subject: Subject, epoch: int) -> Finding:
    """Return the finding for a node whose policy is newer than the published one. An epoch is the time of a restore."""
    if epoch > subject.now_s:
        why = f"it follows a restore of {instant_text(epoch)}, when the control plane's clock was ahead"
        return Finding(f"{text}: {why}", f"enrol each such node again: {enrol_advice(subject)}")
    return Finding(f"{text}: its database was put back without a restore, or at a restore its clock was behind", ACCEPT)


def _first_advice(subject: Subject) -> str:
    if subject.by_policy:
        return f"type dnsfilter check {subject.options}"
    if subject.contact is not None and not subject.contact.enrolled:
        return enrol_advice(subject)
    return f"publish a policy at the control plane: dnsfilterctl apply POLICY, then type {LOG}"
