"""dnsfilterctl help, and the help of the program by topic."""

import re

import pytest

from api.ctl.command import Parser
from api.ctl.help_topics import TEXTS, help_text
from api.ctl.parser import make_parser, parser_for
from api.ctl.topics import COMMANDS, TOPICS
from dnsfilter.shell_completion import every


@pytest.mark.parametrize("parser", [make_parser(), parser_for(["ban"])], ids=["complete", "one command"])
def test_program_lists_each_command_under_its_topic(parser: Parser) -> None:
    listed = re.findall(r"^([a-z].*):$|^  ([a-z-]+)(?: {2}|$)", parser.format_help(), re.MULTILINE)
    expected = [line for topic, names in TOPICS.items() for line in ((topic, ""), *(("", name) for name in names))]
    assert listed[: len(expected)] == expected


def test_commands_stand_in_one_topic_only() -> None:
    assert len(COMMANDS) == sum(map(len, TOPICS.values()))


def test_help_of_each_command_is_that_of_its_option() -> None:
    for parser in every(make_parser()):
        assert help_text(parser.prog.split()[1:]) == parser.format_help()


def test_every_topic_is_named_by_the_program_and_fits_its_width() -> None:
    for topic, text in TEXTS.items():
        assert topic in make_parser().format_help()
        assert max(map(len, text.splitlines())) <= 80
