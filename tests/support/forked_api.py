"""Run `dnsfilter-api` to its end as a fork of a process that has imported it: importing takes most of such a run."""

import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import api.main

_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])
LONGEST_S = 60


def run_api(arguments: Sequence[str], **environ: str) -> tuple[int, str, str]:
    """Run the program with more variables in its environment. Return its exit code, output and errors."""
    with TemporaryDirectory() as directory:
        out, err = (Path(directory) / name for name in ("out", "err"))
        process = _FORKS.Process(target=_run, args=(arguments, {**os.environ, **environ}, out, err))
        process.start()
        process.join(LONGEST_S)
        code = process.exitcode
        process.kill()
        assert code is not None, f"dnsfilter-api {arguments} goes on:\n{err.read_text()}"
        return code, out.read_text(), err.read_text()


def _run(arguments: Sequence[str], environ: Mapping[str, str], out: Path, err: Path) -> None:
    for stream, file in ((sys.stdout, out), (sys.stderr, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), stream.fileno())
    os.environ.clear()
    os.environ.update(environ)
    sys.exit(api.main.main(arguments))
