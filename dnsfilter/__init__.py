"""A DNS resolver that carries out the bans of public authorities on their networks."""

__version__: str


def __getattr__(name: str) -> str:
    """Return the installed version as `__version__`. Workers do not need it."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _installed_version()


def _installed_version() -> str:
    """Return what `importlib.metadata.version` returns, whose import takes 30 ms and 1 MB."""
    import sys
    from glob import glob
    from pathlib import Path

    prefix = "Version: "
    for directory in sys.path:
        for found in glob(f"{__name__}-*.dist-info/METADATA", root_dir=directory):
            versions = (line for line in Path(directory, found).read_text().splitlines() if line.startswith(prefix))
            return next(versions).removeprefix(prefix)
    from importlib.metadata import version

    return version(__name__)
