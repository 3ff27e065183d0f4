"""The documents: links have a target, the things that they name exist, and decisions have the required form."""

import html
import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from api.ctl.parser import make_parser
from dnsfilter.cli import main
from dnsfilter.shell_completion import every
from tests.meta.project import PACKAGES, PROJECT, import_contract, tracked_files
from tests.support.documents import FENCE, commands, numbered, tasks, text
from tests.support.recorded_terminal import COMMANDS

DOCUMENTS = sorted(str(path.relative_to(PROJECT)) for path in tracked_files() if path.suffix == ".md")
DECISIONS = [name for name in DOCUMENTS if re.search(r"docs/decisions/\d", name)]
GUIDES = ["README.md", *(name for name in DOCUMENTS if name.startswith("docs/") and name not in DECISIONS)]
DESK = [name for name in DOCUMENTS if name.startswith("docs/desk/")]
DESCRIBING = ("docs/reference/", "docs/explanation/")
SHELL = (">", ">>", "&&")
MAX_DECISION_LINES = 25
MAX_PAGE_WORDS = 1_500
MAX_ARCHITECTURE_LINES = 250

LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
PROJECT_PATH = re.compile(r"`((?:api|blocklists|deploy|dnsfilter|docs|scripts|tests)/[\w./-]*)`")
PRAISE = re.compile(
    r"\b(blazing\w*|seamless\w*|effortless\w*|cutting.edge|state.of.the.art|world.class|best.in.class|enterprise.grade|"
    r"powerful|revolutionary|game.chang\w+|next.generation|lightning.fast|rock.solid)\b",
    re.IGNORECASE,
)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|TBD|lorem ipsum|coming soon|work in progress)\b", re.IGNORECASE)
OTHER_WORDS = re.compile(r"\b(black-?list\w*|white-?list\w*|tenants?|sinkhol\w+|issue #?\d+)\b", re.IGNORECASE)

in_each_document = pytest.mark.parametrize("name", DOCUMENTS)
in_each_decision = pytest.mark.parametrize("name", DECISIONS)


def prose(name: str) -> str:
    """Return the document without its fenced blocks."""
    return FENCE.sub("", text(name))


def anchors(name: str) -> set[str]:
    """Return the anchors of a document's headings: lower case, hyphens for blanks, other punctuation removed."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(name)))
    return {heading.replace(" ", "-") for heading in plain}


def links(name: str) -> Iterator[tuple[str, str]]:
    """Yield the target, relative to the project, and the fragment of each link between documents."""
    for link in LINK.findall(prose(name)):
        if not re.match(r"[a-z]+:", link):
            target, _, fragment = link.partition("#")
            path = (PROJECT / name).parent / target if target else PROJECT / name
            yield str(path.resolve().relative_to(PROJECT)), fragment


def listed(name: str) -> Iterator[str]:
    """Yield the pages that the tables of contents of a document list."""
    for block in re.findall(r"^```\{toctree\}\n(.*?)^```$", text(name), re.MULTILINE | re.DOTALL):
        for entry in (line for line in block.splitlines() if not line.startswith(":")):
            yield from (str(path.relative_to(PROJECT)) for path in (PROJECT / name).parent.glob(f"{entry}.md"))


def mentioned(name: str, program: str) -> set[str]:
    """Return the words that follow `program` in the commands of a document, in a line or a block."""
    quoted = [*re.findall(r"`([^`\n]+)`", prose(name)), *(" ".join(words) for words in commands(name))]
    found = (re.match(rf"{program} ([a-z][a-z-]*)", command) for command in quoted)
    return {match[1] for match in found if match is not None}


def diagram(title: str) -> list[str]:
    """Return the lines of the block below the mark `<!-- title -->` in ARCHITECTURE.md."""
    match = re.search(rf"<!-- {title} -->\n```text\n(.*?)```", text("ARCHITECTURE.md"), re.DOTALL)
    assert match is not None, f"no diagram {title}"
    return match[1].splitlines()


def layer_rows(title: str) -> list[str]:
    """Return the rooms of each row of the table below the mark `<!-- title -->`, as a contract has them."""
    _, found, rest = text("ARCHITECTURE.md").partition(f"<!-- {title} -->\n")
    assert found, f"no table {title}"
    rows = rest.split("\n\n")[0].splitlines()[2:]
    return [" | ".join(re.findall(r"`api/(\w+)(?:/|\.py)`", row.split("|")[1])) for row in rows]


@in_each_document
def test_links_between_documents_lead_somewhere(name: str) -> None:
    broken = [
        f"{target}#{fragment}"
        for target, fragment in links(name)
        if not (PROJECT / target).exists() or (fragment and fragment not in anchors(target))
    ]
    assert broken == []


def test_links_of_a_packaged_document_lead_to_packaged_files() -> None:
    placed = text("scripts/release").partition("place_files() {")[2].partition("\n}")[0]
    (names,) = re.findall(r'"\$tree"/\{([A-Z,]+)\}\.md', placed)
    files = {f"{name}.md" for name in names.split(",")} | set(re.findall(r'"\$tree/([A-Z]+)" -t "\$doc"', placed))
    folders = tuple(f"{name}/" for name in re.findall(r'cp -r "\$tree/(\w+)" "\$doc', placed))
    packaged = [name for name in DOCUMENTS if name in files or name.startswith(folders)]
    assert {"README.md", "docs/SECURITY.md"} <= set(packaged)
    broken = {
        f"{name}: {target}"
        for name in packaged
        for target, _ in links(name)
        if target not in files and not f"{target}/".startswith(folders)
    }
    assert broken == set()


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, waiting = set[str](), ["README.md"]
    while waiting:
        name = waiting.pop()
        if name not in reached and name in DOCUMENTS:
            reached.add(name)
            waiting += [*(target for target, _ in links(name)), *listed(name)]
    assert set(DOCUMENTS) - reached == set()


@in_each_document
def test_paths_that_a_document_names_exist(name: str) -> None:
    assert [path for path in PROJECT_PATH.findall(text(name)) if not (PROJECT / path).exists()] == []


@in_each_document
def test_documents_neither_praise_nor_promise_and_keep_to_the_words_of_the_policy(name: str) -> None:
    found = [match[0] for pattern in (PRAISE, UNFINISHED, OTHER_WORDS) for match in pattern.finditer(text(name))]
    assert found == []


def test_the_diagram_of_the_project_is_the_import_contract() -> None:
    assert diagram("layers of the project") == import_contract("layers of the project")["layers"]


def test_the_table_of_the_control_plane_is_the_import_contract() -> None:
    assert layer_rows("layers of the control plane") == import_contract("layers of the control plane")["layers"][::-1]


def test_architecture_is_short_and_names_every_package() -> None:
    assert len(text("ARCHITECTURE.md").splitlines()) <= MAX_ARCHITECTURE_LINES
    packages = {
        str(path.parent.relative_to(PROJECT))
        for path in tracked_files()
        if path.name == "__init__.py" and path.relative_to(PROJECT).parts[0] in PACKAGES
    }
    named = set(PROJECT_PATH.findall(text("ARCHITECTURE.md")))
    # A package is named itself or through a package above it. Only the parts of the two roots are named.
    missing = {
        name for name in packages if not any(f"{name}/".startswith(entry) for entry in named if entry[-1] == "/")
    }
    assert missing == {"api", "dnsfilter"}


def test_the_recorded_terminal_shows_the_commands_that_are_typed() -> None:
    shown = html.unescape(text("docs/pictures/terminal.svg")).replace("\xa0", " ")
    assert [command for command in COMMANDS if f"# {command}<" not in shown] == [], "make pictures"


@in_each_document
def test_make_targets_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    assert mentioned(name, "make") <= targets


@pytest.mark.parametrize("command", sorted(set().union(*(mentioned(name, "dnsfilter") for name in DOCUMENTS))))
def test_a_command_of_dnsfilter_exists(command: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main([command, "--help"])
    assert ended.value.code == 0


@pytest.mark.parametrize("name", GUIDES)
def test_commands_in_blocks_and_lines_are_accepted(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    parsers = {"dnsfilter": main.make_parser(), "dnsfilterctl": make_parser()}
    # A line may also only name a command, without its arguments. Reference and explanation describe commands.
    quoted = re.findall(r"`(dnsfilter(?:ctl)? [^`\n]+)`", "" if name.startswith(DESCRIBING) else prose(name))
    named = {parser.prog for program in parsers.values() for parser in every(program)}
    refused = []
    for first, *words in [*commands(name), *map(shlex.split, set(quoted) - named)]:
        if first in parsers:
            try:
                parsers[first].parse_args([*takewhile(lambda word: word not in SHELL, words)])
            except SystemExit as ended:
                if ended.code:
                    refused.append(f"{first} {' '.join(words)}: {capsys.readouterr().err}")
    assert refused == []


def test_the_desk_reads_the_same_commands_in_each_language() -> None:
    pages = {name: [without_reason(line) for line in commands(name)] for name in DESK}
    assert sorted(pages) == [f"docs/desk/{language}.md" for language in ("de", "en", "fr", "nl")]
    assert all(page == pages["docs/desk/en.md"] for page in pages.values())


def without_reason(words: list[str]) -> list[str]:
    """Return the words of a command without the reason, which people write in their language."""
    return words[: words.index("--reason")] if "--reason" in words else words


def test_operators_find_their_pages_in_one_order() -> None:
    listed = re.search(r":caption: For operators\n(.*?)```", text("docs/index.md"), re.DOTALL)
    assert listed is not None
    first, *others = (f"docs/{name}.md" for name in listed[1].split())
    assert others == numbered(first)


def test_every_page_of_tasks_is_in_the_index() -> None:
    assert set(tasks()) - set(listed("docs/index.md")) == set()


@pytest.mark.parametrize("name", tasks())
def test_a_page_of_tasks_is_short(name: str) -> None:
    assert len(text(name).split()) <= MAX_PAGE_WORDS


@pytest.mark.parametrize("name", numbered("docs/tasks/operators.md"))
def test_a_page_for_operators_begins_with_its_needs_and_says_what_undoes_it(name: str) -> None:
    page = text(name)
    begins = " ".join(page.split("\n\n")[1].split())
    assert begins.startswith("You ")
    assert "It takes " in begins
    assert re.search(r"To undo|changes nothing", page)


def test_every_page_stands_in_the_list_of_the_site() -> None:
    listed = set(re.findall(r"^[\w/-]+$", text("docs/index.md"), re.MULTILINE))
    globbed = {line.removesuffix("*") for line in re.findall(r"^[\w/]+\*$", text("docs/index.md"), re.MULTILINE)}
    pages = {name.removeprefix("docs/").removesuffix(".md") for name in DOCUMENTS if name.startswith("docs/")}
    unlisted = {page for page in pages - listed if not page.startswith(("decisions/", *globbed))}
    assert unlisted == {"index"}


@in_each_document
def test_commands_of_dnsfilterctl_exist(name: str) -> None:
    known = {word for parser in every(make_parser()) for word in parser.prog.split()[1:2]}
    assert mentioned(name, "dnsfilterctl") <= known


@in_each_decision
def test_a_decision_has_its_number_and_three_headings_and_is_short(name: str) -> None:
    first, *headings = re.findall(r"^#+ .+$", text(name), re.MULTILINE)
    assert re.fullmatch(rf"# {Path(name).name[:4]}\. \S.*", first)
    assert headings == ["## Context", "## Decision", "## Consequence"]
    assert all(part.strip() for part in re.split(r"^#+ .+$", text(name), flags=re.MULTILINE)[2:])
    assert len(text(name).splitlines()) <= MAX_DECISION_LINES


def test_each_decision_is_in_one_topic_of_the_index_under_its_title() -> None:
    _, _, topics = text("docs/decisions/README.md").partition("## By topic\n")
    listed = re.findall(r"^- \[(\d{4})\]\((\S+)\) (.+?)(?: \([a-z ]+\d{4}\))?$", topics, re.MULTILINE)
    titles = [text(name).splitlines()[0].removeprefix("# ").split(". ", 1) for name in DECISIONS]
    assert sorted(listed) == [
        (number, Path(name).name, title) for name, (number, title) in zip(DECISIONS, titles, strict=True)
    ]


def test_a_number_has_one_decision_and_a_decision_that_is_named_exists() -> None:
    numbers = [Path(name).name[:4] for name in DECISIONS]
    assert sorted(set(numbers)) == numbers
    named = {
        number
        for path in tracked_files()
        if path.suffix in {".md", ".py", ".pxi", ".toml"}
        for number in re.findall(r"\b[Dd]ecision \[?(\d{4})\b", path.read_text(encoding="utf-8"))
    }
    assert named - set(numbers) == set()
