"""The program `dnsfilter`: fork the zygote of a node before anything else is imported, then run the command."""

import sys
from collections.abc import Sequence
from contextlib import suppress


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit."""
    given = sys.argv[1:] if arguments is None else arguments
    zygote = None
    if given[:1] == ["serve"]:
        from dnsfilter.worker.zygote import fork_zygote

        with suppress(OSError):  # the node tries again when it needs one, and logs the reason
            zygote = fork_zygote()
    from dnsfilter.cli.main import main as run

    run(given, zygote)
