"""The compiled engine under a fuzzer that follows which code a message reached: `scripts/fuzz` runs this.

The first byte of an input selects the sender and the receiver of the message. Each result is compared with the
reference engine and the rules for replies. The sanitizers check as well. Arguments are libFuzzer's.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Final, TypeAlias

from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import RECORDS, internet, office
from tests.fuzz.seeds import ANSWERS, QUERIES
from tests.fuzz.test_clients import check_judged
from tests.support.engines import GHENT, MECHELEN, UNREGISTERED, Rig, query, running
from tests.unit.engine.compiled.answers.test_ordinary import type_of
from tests.unit.engine.compiled.both import Both, both

Door: TypeAlias = Callable[[bytes], None]
CLIENTS: Final = (GHENT, MECHELEN, UNREGISTERED)
CALLERS: Final = tuple((client, transport) for client in CLIENTS for transport in (Transport.UDP, Transport.TCP))
"""The clients and transports that query an engine."""


def check_alike(pair: Both, message: bytes) -> None:
    """Check that both engines give an unregistered client the same reply, which shows what they read."""
    pair(message, UNREGISTERED)


def check_ordinary(pair: Both, message: bytes, do: bool) -> None:
    """Check that the compiled engine reads an answer as the reference does."""
    pair.answered(message, type_of(message), do)


def doors(rig: Rig, pair: Both) -> tuple[Door, ...]:
    """Return all doors, in the order of an input's first byte."""
    return (
        lambda message: check_alike(pair, message),
        lambda message: check_ordinary(pair, message, False),
        lambda message: check_ordinary(pair, message, True),
        *(
            lambda message, client=client, transport=transport: check_judged(rig, message, client, transport)
            for client, transport in CALLERS
        ),
    )


def write_seeds(directory: Path) -> None:
    """Write the corpus, each seed for every door that reads such messages."""
    directory.mkdir(parents=True, exist_ok=True)
    for kind, seeds, numbers in (
        ("query", QUERIES, (0, *range(3, 3 + len(CALLERS)))),
        ("answer", ANSWERS, (1, 2)),
    ):
        for place, data in enumerate(seeds.values()):
            for number in numbers:
                (directory / f"{kind}-{place}-{number}").write_bytes(bytes([number]) + data)


def follow_coverage(library: str) -> None:
    """Report the extension's coverage to the loaded fuzzer. Raise RuntimeError if that fails."""
    if not ctypes.CDLL(os.environ["FUZZ_COVERAGE"]).coverage_to(library.encode()):
        raise RuntimeError(f"follow coverage: {library} is no fuzzer")


def main(arguments: list[str]) -> None:
    """Fuzz until the fuzzer finds a fault or its time is over. The fuzzer ends the process."""
    atheris = import_module("atheris")
    with ExitStack() as stack:
        rig = stack.enter_context(running("compiled", office(), internet()))
        for name, qtype in RECORDS:
            rig.ask(query(name, qtype), MECHELEN)
        pair = stack.enter_context(both(office(), cache_bytes=16_000_000))
        every = doors(rig, pair)

        def check(data: bytes) -> None:
            if data:
                every[data[0] % len(every)](data[1:])

        atheris.Setup([sys.argv[0], *arguments], check)
        follow_coverage(import_module("atheris.core_with_libfuzzer").__file__ or "")
        atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1] == "--seeds":
        write_seeds(Path(sys.argv[2]))
    else:
        main(sys.argv[1:])
