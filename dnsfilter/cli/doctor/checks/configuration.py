"""Whether the node answers by its files as they are now."""

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.policy.calendar import instant_text


def configuration(subject: Subject) -> Outcome:
    """Find a damaged file, a reload that failed, and a change that was not reloaded."""
    known = subject.known
    if known is None or isinstance(known.running, str):
        return Outcome(unseen="by which configuration the node answers" + (f": {known.running}" if known else ""))
    if not known.trouble:
        return Outcome(seen=f"{known.path} is in force since {instant_text(known.running.since_s)}")
    check = f"dnsfilter check {subject.options}".rstrip()
    advice = f"type {check} && systemctl reload dnsfilter"
    if known.faults or known.running.reload is not None:
        advice = f"mend the file or do what the reason says, then {advice}"
    return Outcome((Finding(known.trouble, advice),))
