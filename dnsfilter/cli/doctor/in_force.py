"""What the node decides by: configuration, program, clock, policy, and the control plane that publishes it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from dnsfilter.cli.doctor.findings import API_SETTINGS, AS_ROOT, LOG, Finding, Outcome, Subject
from dnsfilter.control.puller import ACCEPT
from dnsfilter.engine.clock import TOLERATED_S
from dnsfilter.errors import SnapshotError
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.model import DAY_S
from dnsfilter.snapshot.manifest import parse_manifest
from dnsfilter.telemetry.metrics import (
    BANS_LIFTED,
    CLOCK_DOUBTED,
    ENGINE_FALLBACK,
    SNAPSHOT_REVISION,
    SNAPSHOTS_QUARANTINED,
)

AGAIN = "systemctl kill --kill-whom=main -s USR2 dnsfilter"

SET_IT = "type timedatectl set-ntp true, wait until timedatectl shows that the clock is synchronized"
OR_TRUST_IT = "if it is right: add rtcsync to chrony.conf, or without an NTP client set trust_clock = true and reload"

RECEIVED = (200, 304)
HERE = "on the control plane's machine type systemctl status dnsfilter-api, and check firewall and url"

WARN_DAYS = 14
RENEW = (
    "on the control plane's machine replace the files that DNSFILTER_API_TLS_CERTIFICATE and DNSFILTER_API_TLS_KEY in "
    "/etc/dnsfilter/api.env name; dnsfilter-api reads them by itself within a minute"
)

_CERTIFICATE = re.compile(r"^DNSFILTER_API_TLS_CERTIFICATE=[\"']?(/[^\"'\s]+)", re.MULTILINE)


def configuration(subject: Subject) -> Outcome:
    """Find a damaged file, a reload that failed, and a change that was not reloaded."""
    known = subject.known
    if isinstance(known.running, str):
        return Outcome(unseen=f"by which configuration the node answers: {known.running}")
    if not known.trouble:
        return Outcome(seen=f"{known.path} is in force since {instant_text(known.running.since_s)}")
    advice = f"type {subject.command('check')} && systemctl reload dnsfilter"
    if known.faults or known.running.reload is not None:
        advice = f"mend the file or do what the reason says, then {advice}"
    return Outcome((Finding(known.trouble, advice),))


def upgrade(subject: Subject) -> Outcome:
    """Find an upgrade that failed, after which the program on disk is not the one that runs."""
    running = subject.known.running
    if isinstance(running, str):
        return Outcome(unseen=f"which version runs: {running}")
    if running.upgrade is None:
        return Outcome(seen=f"version {running.version} runs, and no upgrade of it failed")
    text = f"the upgrade at {instant_text(running.upgrade.at_s)} failed: {running.upgrade.reason}"
    advice = (
        f"do not restart it: the program on disk is the one that failed. Type {LOG}, do what it "
        f"says, then try again: {AGAIN}; or install the package of version {running.version} again"
    )
    return Outcome((Finding(f"{text}; version {running.version} answers", advice),))


def clock(subject: Subject) -> Outcome:
    """Find a clock that the node does not believe, or that differs from the control plane's."""
    findings = []
    made_s = _made_s(subject)
    if made_s is not None and subject.now_s < made_s - TOLERATED_S:
        now, made = instant_text(int(subject.now_s)), instant_text(made_s)
        findings.append(Finding(f"the clock says {now}, but the snapshot was made at {made}", SET_IT))
    elif subject.metric(CLOCK_DOUBTED.name):
        why = "it jumped ahead, it was just set, or the machine was off for over a week"
        text = f"the node does not believe this clock: {why}"
        findings.append(Finding(text, f"{SET_IT}; {OR_TRUST_IT}"))
    ahead_s = None if subject.contact is None else subject.contact.clock_ahead_s
    if ahead_s is not None and abs(ahead_s) > TOLERATED_S:
        side = "behind" if ahead_s > 0 else "ahead of"
        text = f"this clock is {abs(ahead_s):.0f} s {side} the control plane's"
        findings.append(Finding(text, f"{SET_IT}, here and there: one of the two is wrong"))
    compared = "later than the snapshot" if ahead_s is None else "equal to the control plane's within a minute"
    return Outcome(tuple(findings), f"the clock is {compared}")


def _made_s(subject: Subject) -> int | None:
    try:
        return parse_manifest(subject.store.read_best()[0].manifest).made_s
    except SnapshotError:
        return None


def enrol_advice(subject: Subject) -> str:
    """Return how to enrol this node, for the first time or again. Only the control plane makes the token for it."""
    file = "enrolment-token"
    return (
        f"on the control plane's machine type dnsfilterctl node token NAME --out {file}, with a NAME of dnsfilterctl "
        f"node list; copy the file here; then type {subject.command('enrol')} --token-file {file}"
    )


def control_plane(subject: Subject) -> Outcome:
    """Find what keeps the node from pulling policy."""
    found = subject.contact
    if found is None:
        return Outcome(seen="none is configured")
    if found.unread:
        return Outcome(unseen=f"its answer to this node: {found.unread}: {AS_ROOT}; the check of files says more")
    if found.untrusted and found.ends_s is not None and found.ends_s <= subject.now_s:
        return Outcome(unseen=f"its answer to this node: {found.trouble}; see the check of its certificate")
    if found.untrusted:
        ca = "set [control_plane] ca to the file with the authority that signed it"
        return Outcome((Finding(f"{found.url}: {found.trouble}", f"{ca}, or give the API a valid certificate"),))
    if found.trouble:
        return Outcome((Finding(f"{found.url}: {found.trouble}", HERE),))
    if not found.enrolled:
        return Outcome((Finding("this node has not enrolled at its control plane", enrol_advice(subject)),))
    if found.status in (401, 403):
        text = f"{found.url} does not accept this node's token: {found.detail}"
        return Outcome((Finding(text, enrol_advice(subject)),))
    if found.status not in RECEIVED:
        return Outcome((Finding(f"{found.url} answers with {found.detail}", f"{HERE}; type dnsfilterctl status"),))
    return Outcome(seen=f"{found.url} answers and accepts this node's token")


def certificates(subject: Subject) -> Outcome:
    """Find a certificate that has ended or ends soon."""
    found = subject.contact
    if found is None:
        return Outcome(seen="there is no control plane")
    if found.url.startswith("https:"):
        if found.ends_s is None:
            return Outcome(unseen="the certificate: the control plane must be reachable first")
        return _ending(subject, f"the certificate of {found.url}", found.ends_s)
    named = _CERTIFICATE.search(subject.text(API_SETTINGS) or "")
    if named is None:
        return Outcome(seen="the control plane is asked without TLS")
    return _own_certificate(subject, named[1])


def _own_certificate(subject: Subject, path: str) -> Outcome:
    """Look at the certificate that the control plane of this machine shows to other machines."""
    text = subject.text(path)
    if text is None:
        return Outcome(unseen=f"the certificate: {path} cannot be read: {AS_ROOT}")
    try:
        ends = x509.load_pem_x509_certificate(text.encode()).not_valid_after_utc
    except ValueError:
        return Outcome((Finding(f"{path} holds no certificate", RENEW),))
    return _ending(subject, f"the certificate {path}", ends.timestamp())


def _ending(subject: Subject, what: str, ends_s: float) -> Outcome:
    left, at = (ends_s - subject.now_s) / DAY_S, instant_text(int(ends_s))
    text = f"{what} " + (f"ends in {left:.0f} days, at {at}" if left > 0 else f"ended at {at}")
    return Outcome(seen=text) if left >= WARN_DAYS else Outcome((Finding(text, RENEW),))


def policy(subject: Subject) -> Outcome:
    """Find a node that does not decide by the newest policy."""
    try:
        stored, passed_over = subject.store.read_best()
    except SnapshotError as error:
        if _is_closed(subject.store.directory):
            return Outcome(unseen=f"the policy in force: this user may not read {subject.store.directory}: {AS_ROOT}")
        return Outcome((Finding(f"no snapshot can be used: {error}", _first_advice(subject)),))
    running = subject.metric(SNAPSHOT_REVISION.name)
    findings = list(_policy_findings(subject, parse_manifest(stored.manifest).version, running))
    if passed_over is not None:
        text = f"revision {stored.revision} is used instead of the newest one: {passed_over}"
        findings.append(Finding(text, f"type {subject.command('snapshot list')}"))
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


def _policy_findings(subject: Subject, version: tuple[int, int], running: float | None) -> Iterator[Finding]:
    stored, look = version[1], f"type {subject.command('snapshot list')}"
    if isinstance(subject.page, str):
        yield Finding(f"the running node cannot be asked: {subject.page}", "type systemctl start dnsfilter")
    elif running is not None and running != stored:
        yield Finding(f"the node decides by revision {running:.0f}, but {stored} is on disk", f"type {LOG}")
    published = None if subject.contact is None else subject.contact.version
    if published is not None and published != version:
        text = f"the control plane has published revision {published[1]}, but this node has {stored}"
        if subject.store.held_up_to() is not None:
            back = f"type {subject.command(f'snapshot use {published[1]} --reason WHY')}"
            yield Finding(f"{text}, chosen by snapshot use", f"{back}, once the reason is gone")
        elif published < version:
            yield _behind_for_good(f"{text}, and no node goes back", subject, version[0])
        else:
            yield Finding(text, f"type {LOG}")
    if subject.metric(BANS_LIFTED.name):
        yield Finding("bans of the newest revision are not refused, because an older one took its place", look)
    if subject.metric(ENGINE_FALLBACK.name):
        yield Finding("the node runs the slow reference engine", f"type {LOG}, then systemctl restart dnsfilter")
    if subject.metric(SNAPSHOTS_QUARANTINED.name):
        yield Finding("a snapshot was quarantined since the start", f"{look}, then {LOG}; a restart clears this")


def _behind_for_good(text: str, subject: Subject, epoch: int) -> Finding:
    """Return the finding for a node whose policy is newer than the published one. An epoch is the time of a restore."""
    if epoch > subject.now_s:
        why = f"it follows a restore of {instant_text(epoch)}, when the control plane's clock was ahead"
        return Finding(f"{text}: {why}", f"enrol each such node again: {enrol_advice(subject)}")
    return Finding(f"{text}: its database was put back without a restore, or at a restore its clock was behind", ACCEPT)


def _first_advice(subject: Subject) -> str:
    if subject.by_policy:
        return f"type {subject.command('check')}"
    if subject.contact is not None and not subject.contact.enrolled:
        return enrol_advice(subject)
    return f"publish a policy at the control plane: dnsfilterctl policy apply POLICY, then type {LOG}"
