"""The clock, by which bans begin and end."""

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.engine.clock import TOLERATED_S
from dnsfilter.errors import SnapshotError
from dnsfilter.policy.calendar import instant_text
from dnsfilter.snapshot.manifest import parse_manifest
from dnsfilter.telemetry.metrics import CLOCK_DOUBTED

SET_IT = "type timedatectl set-ntp true, wait until timedatectl shows that the clock is synchronized"

OR_TRUST_IT = "if it is right: add rtcsync to chrony.conf, or without an NTP client set trust_clock = true and reload"


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
