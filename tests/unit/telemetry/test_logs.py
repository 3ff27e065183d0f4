"""One event is one line for any values, and no line shows what a person looked up."""

import ast
import io
import logging
from pathlib import Path

import pytest

from dnsfilter.telemetry.logs import FORBIDDEN_FIELDS, emit, format_value, setup

ROOT = Path(__file__).parents[3]


@pytest.fixture
def output() -> io.StringIO:
    stream = io.StringIO()
    setup("info", stream)
    return stream


def test_event_is_one_line_of_key_value(output: io.StringIO) -> None:
    emit(logging.getLogger("dnsfilter.node"), logging.INFO, "snapshot loaded", revision=12, path="/run/a b", ok=True)
    line = output.getvalue()
    assert line.startswith("time=2")
    assert line.endswith(
        'Z level=info logger=dnsfilter.node event="snapshot loaded" revision=12 path="/run/a b" ok=true\n'
    )


def test_level_below_the_set_one_is_silent(output: io.StringIO) -> None:
    emit(logging.getLogger("dnsfilter.node"), logging.DEBUG, "idle")
    assert output.getvalue() == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain-1.2_3/x:y", "plain-1.2_3/x:y"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "x"', '"say \\"x\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("line\nbreak\r", '"line\\nbreak\\r"'),
        ("\x1b[31mred\x00", '"\\x1b[31mred\\x00"'),
        ("nel\x85ls\u2028bidi\u202e", '"nel\\x85ls\\u2028bidi\\u202e"'),
        ("lone\udc80", '"lone\\udc80"'),
        ("Gent–Île", '"Gent–Île"'),
        (None, "none"),
        (False, "false"),
        (b"\x01\xff", "01ff"),
        (3.5, "3.5"),
    ],
)
def test_value_is_escaped_to_one_line(value: object, shown: str) -> None:
    assert format_value(value) == shown


def test_long_value_is_cut() -> None:
    shown = format_value("x" * 5_000)
    assert shown == '"' + "x" * 1_023 + '…"'


def test_traceback_stays_on_the_line(output: io.StringIO) -> None:
    try:
        raise OSError("bind 127.0.0.1:53: address\nin use")
    except OSError:
        logging.getLogger("dnsfilter.node").exception("start failed")
    line = output.getvalue()
    assert line.count("\n") == 1
    assert "address\\nin use" in line
    assert " traceback=" in line


def test_message_of_another_library_stays_on_the_line(output: io.StringIO) -> None:
    logging.getLogger("some.library").warning("got %r and %s", "a", "b\nlevel=error forged=yes")
    assert output.getvalue().count("\n") == 1


@pytest.mark.parametrize("field", sorted(FORBIDDEN_FIELDS))
def test_field_that_could_name_a_person_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        emit(logging.getLogger("dnsfilter.node"), logging.INFO, "refused", failure=None, **{field: "192.0.2.7"})


def test_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="one of debug"):
        setup("loud")


def test_no_call_in_the_source_logs_a_forbidden_field() -> None:
    calls = [
        (path, keyword.arg)
        for path in sorted((ROOT / "dnsfilter").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "emit"
        for keyword in node.keywords
    ]
    assert [call for call in calls if call[1] in FORBIDDEN_FIELDS] == []
