"""Imports of a node's processes before they serve, which determine the start time."""

import subprocess
import sys

import pytest

COLLECTORS = ("prometheus_client", "uvicorn", "importlib.metadata", "multiprocessing", "http", "blocklists")
CONTROL = ("cryptography", "dnsfilter.control.link")
ENGINES = ("dnsfilter.engine.reference.engine", "dnsfilter.engine._engine", "dnslib", "uvloop")
# Its plugins make pydantic read what is installed.
AT_THE_SCHEMA = {"importlib.metadata"}


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import dnsfilter.cli.main, dnsfilter.cli.check", {*COLLECTORS, *CONTROL, *ENGINES} - AT_THE_SCHEMA),
        ("import dnsfilter.cli.serve, dnsfilter.cli.main", {*COLLECTORS, *CONTROL, *ENGINES, "pydantic", "email"}),
        (
            "import dnsfilter.worker.process",
            {*COLLECTORS, *CONTROL, "pydantic", "dnsfilter.config.file_schema", "tomllib", "uvloop"},
        ),
    ],
)
def test_modules_not_needed_to_serve_are_not_imported(statement: str, absent: set[str]) -> None:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert statement.split()[-1] in loaded
    assert not absent & loaded


def test_worker_with_either_engine_imports_no_more() -> None:
    code = (
        "import sys; from dnsfilter.engine.choice import EngineKind, chosen_kind, engine_class; "
        "import dnsfilter.worker.process; engine_class(chosen_kind()); engine_class(EngineKind.REFERENCE); "
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "dnsfilter.engine.reference.engine" in loaded
    assert not {*COLLECTORS, "dnslib", "pydantic"} & loaded
