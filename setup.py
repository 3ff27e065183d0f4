"""The compiled engine; everything else about the distribution is in pyproject.toml."""

import os
import shutil
import subprocess
import sys
from glob import glob
from sysconfig import get_path

from Cython.Distutils import build_ext
from setuptools import Extension, setup

MISSING = "no C compiler or no Python.h: apt-get install gcc libc6-dev python3-dev, or set DNSFILTER_NO_EXTENSIONS=1"


class Build(build_ext):
    def build_extensions(self):
        cc = self.compiler.compiler
        probe = [*cc, "-I", get_path("include"), "-fsyntax-only", "-include", "Python.h", "-x", "c", os.devnull]
        if shutil.which(cc[0]) is None or subprocess.run(probe, capture_output=True).returncode != 0:
            sys.exit(f"build dnsfilter: {MISSING}")
        super().build_extensions()


flags = ["-fsanitize=address,undefined"] if os.environ.get("DNSFILTER_SANITIZE") == "1" else []
how = {
    "extra_compile_args": ["-O3", *flags],
    "extra_link_args": flags,
    "depends": glob("dnsfilter/engine/compiled/**/*.pxi", recursive=True),
}
engine = Extension("dnsfilter.engine._engine", ["dnsfilter/engine/_engine.pyx"], **how)
wanted = os.environ.get("DNSFILTER_NO_EXTENSIONS") != "1"
setup(ext_modules=[engine] if wanted else [], cmdclass={"build_ext": Build})
