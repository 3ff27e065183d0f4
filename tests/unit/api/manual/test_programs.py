"""The manual matches the parsers: as pages of the site, and as man pages that groff accepts."""

import argparse
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.ctl.help_topics import TEXTS
from api.ctl.parser import make_parser as ctl_parser
from api.main import make_parser as api_parser
from api.manual.__main__ import main
from api.manual.help_texts import Command, Manual, read_manual
from api.manual.markdown import MARK, update_page
from api.manual.programs import manuals, references
from api.manual.roff import man_page
from dnsfilter.cli.main import make_parser as node_parser
from dnsfilter.shell_completion import every
from tests.support.components import component

REFERENCE = Path(__file__).parents[4] / "docs" / "reference"
PARSERS = {parser.prog: parser for parser in (node_parser(), api_parser(), ctl_parser())}
MANUALS = {manual.program.name: manual for manual in manuals()}
each_program = pytest.mark.parametrize("program", PARSERS)


def commands(manual: Manual) -> Iterator[Command]:
    yield manual.program
    for topic in manual.topics.values():
        yield from topic


def source(program: str) -> str:
    return man_page(MANUALS[program], "1.2.3", "2026-01-02", references(MANUALS[program]))


def printed(page: str) -> tuple[str, str]:
    """Return what groff prints of a man page on a wide terminal without emphasis, and its warnings."""
    found = component("groff")
    # Without these it would use the parts of an installed groff.
    share = found.path.parents[1] / "share/groff/current"
    parts = {"BIN": found.path.parent, "FONT": share / "font", "TMAC": share / "tmac"}
    env = {**found.env, **{f"GROFF_{kind}_PATH": str(path) for kind, path in parts.items()}}
    done = replace(found, env=env).run("-k", "-man", "-Tascii", "-rLL=900n", "-ww", "-P-cbou", stdin=page)
    return done.stdout, done.stderr


@each_program
def test_the_page_of_the_site_is_generated(program: str) -> None:
    page = (REFERENCE / f"{program}.md").read_text(encoding="utf-8")
    # Releases of Python differ in blanks.
    assert update_page(page, MANUALS[program]).split() == page.split()


@each_program
def test_every_command_and_option_is_explained(program: str) -> None:
    manual = MANUALS[program]
    explained = {entry.term for entry in (*manual.program.entries, *manual.common)}
    found = {command.name: {entry.term for entry in command.entries} | explained for command in commands(manual)}
    assert sorted(found) == sorted(parser.prog for parser in every(PARSERS[program]))
    assert [command.name for command in commands(manual) if not command.paragraphs] == []
    for parser in every(PARSERS[program]):
        options = {option for action in parser._actions if action.help for option in action.option_strings}
        words = {word.rstrip(",") for term in found[parser.prog] for word in term.split()}
        assert options - words == set(), parser.prog


@each_program
def test_groff_prints_every_command_without_a_warning(program: str) -> None:
    text, warnings = printed(source(program))
    assert warnings == ""
    for command in commands(MANUALS[program]):
        heading = command.name if command.group and command.name != program else command.usage
        assert re.search(rf"^ +{re.escape(heading)}$", text, re.MULTILINE)
        assert all(paragraph in " ".join(text.split()) for paragraph in command.paragraphs)


def test_topics_of_help_stand_in_the_manual_once() -> None:
    page = (REFERENCE / "dnsfilterctl.md").read_text(encoding="utf-8")
    text, _ = printed(source("dnsfilterctl"))
    for topic in TEXTS.values():
        assert page.count(topic.rstrip()) == 1
        assert " ".join(topic.split()) in " ".join(text.split())


def test_text_is_printed_as_it_stands() -> None:
    parser = argparse.ArgumentParser(prog="sample", description="Say 'a' or `b`. ~c^ \\d -e …", epilog=".f\n\n'g")
    parser.add_argument("--long-name", metavar="ADDRESS:PORT|unix:PATH", help=".hidden, 100%% of it")
    text, warnings = printed(man_page(read_manual(parser, 1), "1.2.3", "2026-01-02", ["other(8)"]))
    assert warnings == ""
    for line in ("Say 'a' or `b`. ~c^ \\d -e ...", ".f", "'g", "--long-name ADDRESS:PORT|unix:PATH", "other(8)"):
        assert re.search(rf"^ +{re.escape(line)}$", text, re.MULTILINE), line
    assert ".hidden, 100% of it\n" in text


def test_what_three_commands_explain_is_explained_once() -> None:
    parser = argparse.ArgumentParser(prog="sample", description="Sample.")
    inner = parser.add_subparsers(metavar="COMMAND")
    for name, help_text in {"one": "same", "two": "same", "three": "same", "four": "other"}.items():
        inner.add_parser(name, description=name).add_argument("--option", metavar="N", help=help_text)
    manual = read_manual(parser, 1)
    assert [(entry.term, entry.text) for entry in manual.common] == [("--option N", "same")]
    own = {command.name: [entry.text for entry in command.entries] for command in manual.topics["commands"]}
    assert own == {"sample one": [], "sample two": [], "sample three": [], "sample four": ["other"]}


def test_man_pages_have_the_date_of_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767312000")
    main("man", tmp_path)
    pages = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.glob("*/*")}
    assert set(pages) == {"man8/dnsfilter.8", "man8/dnsfilter-api.8", "man1/dnsfilterctl.1"}
    assert all(' "2026-01-02" ' in page.splitlines()[0] for page in pages.values())


def test_a_page_without_the_mark_is_not_overwritten() -> None:
    with pytest.raises(ValueError, match="has no line"):
        update_page("# Something else\n", MANUALS["dnsfilter"])
    assert update_page(f"# Page\n{MARK}\nold\n", MANUALS["dnsfilter"]).startswith(f"# Page\n{MARK}\n\n```text\ndnsf")
