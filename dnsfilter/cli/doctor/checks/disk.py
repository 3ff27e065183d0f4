"""The disk with the state directory, and what the node's user may not read or write."""

import os
import shutil

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject

LEAST_BYTES = 256 << 20
LEAST_SHARE = 0.05


def disk(subject: Subject) -> Outcome:
    """Find a disk with no room for snapshots and the journal."""
    directory = subject.config.state_dir
    try:
        use, files = shutil.disk_usage(directory), os.statvfs(directory)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Outcome((Finding(f"{directory}: {reason}", f"type dnsfilter check {subject.options}".rstrip()),))
    room = f"{use.free >> 20} MiB of {use.total >> 20} MiB are free at {directory}"
    findings = []
    if use.free < min(LEAST_BYTES, LEAST_SHARE * use.total):
        findings.append(
            Finding(room, f"remove or move other files; to see what is large: du -xh {directory} | sort -h")
        )
    if files.f_files and files.f_favail < LEAST_SHARE * files.f_files:
        text = f"{files.f_favail} of {files.f_files} inodes are free at {directory}"
        findings.append(Finding(text, f"remove small files; to count them: du --inodes -x {directory} | sort -n"))
    return Outcome(tuple(findings), room)
