"""CPU time of calls of dnsfilterctl: `python -m tests.bench.commands` prints the least and the median of ten each.

The time is of the client's process alone, not of the control plane. It counts the interpreter's start and end.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.control_planes import Api
from tests.support.nodes import EXAMPLE

TIMES = 10
CALLS = (
    "ban set brussels-city tiktok --mode enforce",
    "ban list",
    "ban set --help",
    "who 127.0.5.10",
    "status",
    "--help",
    "completion bash",
)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Print a line for each call."""
    with tempfile.TemporaryDirectory() as place, Api(Path(place), EXAMPLE.read_text()) as api:
        token = Path(place, "token")
        token.write_text(api.token())
        token.chmod(0o600)
        environ = {**os.environ, "DNSFILTER_URL": api.url, "DNSFILTER_TOKEN_FILE": str(token)}
        # Compiled files on disk, as an installation has them.
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for call in CALLS:
            command = [sys.executable, "-c", "import sys; from api.cli import main; sys.exit(main())", *call.split()]
            found = []
            for _ in range(TIMES + 1):
                before = _cpu_s()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environ)
                found.append(1000 * (_cpu_s() - before))
            # The first one may have compiled files.
            warm = sorted(found[1:])
            print(f"{warm[0]:5.0f} {warm[TIMES // 2]:5.0f} ms  dnsfilterctl {call}", flush=True)


if __name__ == "__main__":
    main()
