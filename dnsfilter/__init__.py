"""A DNS resolver that carries out the bans of public authorities on their networks."""

__version__: str


def __getattr__(name: str) -> str:
    """Return the installed version as `__version__`. Workers do not need it, and its import takes 30 ms."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version(__name__)
