"""The directory for the counters of a supervisor's workers: on tmpfs, and removed with the supervisor."""

import os
import shutil
import tempfile
from pathlib import Path

_COUNTERS = "dnsfilter-counters-"


def make_counters_dir() -> Path:
    """Make a new directory for counters, on tmpfs if there is one. Remove those of supervisors that were killed.

    Also remove the one that this process used before an upgrade: its workers have their counters mapped.
    """
    candidates = (os.environ.get("RUNTIME_DIRECTORY", ""), "/dev/shm", tempfile.gettempdir())
    parent = Path(next(candidate for candidate in candidates if candidate and os.access(candidate, os.W_OK)))
    for left in parent.glob(f"{_COUNTERS}*"):
        owner = left.name.removeprefix(_COUNTERS).partition("-")[0]
        if owner.isdigit() and (int(owner) == os.getpid() or not Path(f"/proc/{owner}").exists()):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_COUNTERS}{os.getpid()}-", dir=parent))
