"""The compiled engine; everything else about the distribution is in pyproject.toml."""

import os
import shutil
import sys
from glob import glob
from pathlib import Path
from sysconfig import get_path

from Cython.Distutils import build_ext
from setuptools import Extension, setup

MISSING = "no C compiler or no Python.h here (Debian: gcc libc6-dev python3-dev)"
WITHOUT = "DNSFILTER_NO_EXTENSIONS=1 builds without the compiled engine"


class Build(build_ext):
    def build_extensions(self):
        if not shutil.which(self.compiler.compiler[0]) or not Path(get_path("include"), "Python.h").exists():
            sys.exit(f"build dnsfilter: {MISSING}; {WITHOUT}")
        super().build_extensions()


flags = ["-fsanitize=address,undefined"] if os.environ.get("DNSFILTER_SANITIZE") == "1" else []
how = {"extra_compile_args": ["-O3", *flags], "extra_link_args": flags, "depends": glob("dnsfilter/engine/compiled/*")}
engine = Extension("dnsfilter.engine._engine", ["dnsfilter/engine/_engine.pyx"], **how)
wanted = os.environ.get("DNSFILTER_NO_EXTENSIONS") != "1"
setup(ext_modules=[engine] if wanted else [], cmdclass={"build_ext": Build})
