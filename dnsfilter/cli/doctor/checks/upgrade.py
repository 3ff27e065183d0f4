"""Whether the node runs the program that is installed."""

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.policy.calendar import instant_text

AGAIN = "systemctl kill --kill-whom=main -s USR2 dnsfilter"


def upgrade(subject: Subject) -> Outcome:
    """Find an upgrade that failed, after which the program on disk is not the one that runs."""
    running = None if subject.known is None else subject.known.running
    if running is None or isinstance(running, str):
        return Outcome(unseen="which version runs" + (f": {running}" if running else ""))
    if running.upgrade is None:
        return Outcome(seen=f"version {running.version} runs, and no upgrade of it failed")
    text = f"the upgrade at {instant_text(running.upgrade.at_s)} failed: {running.upgrade.reason}"
    advice = (
        f"do not restart it: the program on disk is the one that failed. Type journalctl -u dnsfilter -n 50, do what "
        f"it says, then try again: {AGAIN}; or install the package of version {running.version} again"
    )
    return Outcome((Finding(f"{text}; version {running.version} answers", advice),))
