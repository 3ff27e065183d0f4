"""What the node's user cannot read or write. This process becomes that user, so this check is the last."""

from pathlib import Path

from dnsfilter.cli.checkup import check_up
from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject


def node_files(subject: Subject, named: tuple[Path, ...]) -> Outcome:
    """Find files that the node cannot use. `named` are those on the command line."""
    found = check_up(subject.config, named, subject.store.directory, by_policy=subject.by_policy, with_ports=False)
    advice = f"type what it says, then dnsfilter check {subject.options}".rstrip()
    return Outcome(
        tuple(Finding(problem, advice) for problem in found.problems),
        f"user {found.user} can use all files of the node",
    )
