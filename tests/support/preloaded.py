"""Small libraries that the loader puts before a program's own (ld.so(8), LD_PRELOAD)."""

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tests.support.components import impossible


@cache
def compiled_library(code: str) -> Path:
    """Compile C code to a shared library, once for this process.

    If there is no C compiler, skip the calling test, or fail it if CI=true.
    """
    compiler = shutil.which("cc") or impossible("there is no C compiler")
    directory = Path(tempfile.mkdtemp(prefix="preloaded-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    library = directory / "preloaded.so"
    command = [compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)]
    subprocess.run(command, input=code, text=True, check=True)
    return library
