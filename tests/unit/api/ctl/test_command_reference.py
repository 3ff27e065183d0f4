"""The reference in the documentation matches the help texts."""

import argparse
import shlex
from pathlib import Path

import pytest

from api.ctl.command_reference import MARK, update_page
from api.ctl.help_topics import TEXTS
from api.ctl.parser import make_parser
from dnsfilter.shell_completion import every

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "dnsfilterctl.md"
PARSERS = list(every(make_parser()))
HELPS = [f"dnsfilterctl help {topic}" for topic in TEXTS]


def _words(text: str) -> str:
    """Join words, because releases of Python break usage lines at different widths."""
    return " ".join(text.split())


@pytest.mark.parametrize("parser", PARSERS, ids=[parser.prog for parser in PARSERS])
def test_reference_has_the_help_of_every_command(parser: argparse.ArgumentParser) -> None:
    page = _words(PAGE.read_text(encoding="utf-8"))
    assert _words(f"### {parser.prog}\n\n```text\n{parser.format_help()}\n```") in page


def test_reference_has_no_removed_command() -> None:
    headings = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("### dnsfilterctl")]
    assert headings == [f"### {name}" for name in (*(parser.prog for parser in PARSERS), *HELPS)]


@pytest.mark.parametrize("topic", TEXTS)
def test_reference_has_the_text_of_every_topic(topic: str) -> None:
    assert f"### dnsfilterctl help {topic}\n\n```text\n{TEXTS[topic].rstrip()}\n```\n" in PAGE.read_text(
        encoding="utf-8"
    )


def test_every_verb_has_a_runnable_example() -> None:
    verbs = [parser for parser in PARSERS if parser.get_default("verb") is not None]
    assert len(verbs) > 35
    for parser in verbs:
        assert parser.epilog is not None
        examples = [line.strip() for line in parser.epilog.replace("\\\n", "").splitlines()[1:]]
        assert examples
        for example in examples:
            parsed = make_parser().parse_args(shlex.split(example)[1:])
            assert (parsed.command, example.startswith("dnsfilterctl ")) == (parser, True)


def test_a_page_without_the_mark_is_not_overwritten() -> None:
    with pytest.raises(ValueError, match="has no line"):
        update_page("# Something else\n")
    assert update_page(f"# Page\n{MARK}\nold\n").startswith(f"# Page\n{MARK}\n\n### dnsfilterctl\n")
