"""The compiled engine and the version; everything else about the distribution is in pyproject.toml."""

import os
import re
import shutil
import subprocess
import sys
from glob import glob
from sysconfig import get_path

from Cython.Distutils import build_ext
from setuptools import Extension, setup

MISSING = "no C compiler or no Python.h: apt-get install gcc libc6-dev python3-dev, or set DNSFILTER_NO_EXTENSIONS=1"
UNTAGGED = "0.0.0"
"""The version of a tree without git, and the tag before the first one."""


class Build(build_ext):
    def build_extensions(self):
        cc = self.compiler.compiler
        probe = [*cc, "-I", get_path("include"), "-fsyntax-only", "-include", "Python.h", "-x", "c", os.devnull]
        if shutil.which(cc[0]) is None or subprocess.run(probe, capture_output=True).returncode != 0:
            sys.exit(f"build dnsfilter: {MISSING}")
        super().build_extensions()


def git(*arguments):
    command = ["git", "-c", "safe.directory=*", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def version():
    """Return the version: DNSFILTER_VERSION, that of a source distribution, or the newest tag and the commits since."""
    if given := os.environ.get("DNSFILTER_VERSION"):
        return given
    if os.path.exists("PKG-INFO"):
        with open("PKG-INFO", encoding="utf-8") as file:
            return re.search(r"^Version: (.+)$", file.read(), re.MULTILINE)[1]
    try:
        described = git("describe", "--tags", "--long", "--always", "--match=v[0-9]*")
        if "-" not in described:  # a hash alone
            described = f"{UNTAGGED}-{git('rev-list', '--count', 'HEAD')}-g{described}"
    except (OSError, subprocess.CalledProcessError):
        return UNTAGGED
    tag, since, commit = described.removeprefix("v").rsplit("-", 2)
    return tag if since == "0" else f"{tag}.post{since}+{commit}"


flags = ["-fsanitize=address,undefined"] if os.environ.get("DNSFILTER_SANITIZE") == "1" else []
how = {
    "extra_compile_args": ["-O3", *flags],
    "extra_link_args": flags,
    "depends": glob("dnsfilter/engine/compiled/**/*.pxi", recursive=True),
}
engine = Extension("dnsfilter.engine._engine", ["dnsfilter/engine/_engine.pyx"], **how)
wanted = os.environ.get("DNSFILTER_NO_EXTENSIONS") != "1"
setup(version=version(), ext_modules=[engine] if wanted else [], cmdclass={"build_ext": Build})
