"""Run every dnsfilterctl command of readme and guides, in order, exactly as printed."""

import io
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import pytest

from api.ctl.remote.token_file import VARIABLE
from api.policies.first_policy import load_into_empty
from blocklists.catalogue import Catalogue
from tests.support.documents import EXIT_CODE_1, FENCE, commands, numbered, tasks, text
from tests.unit.api.conftest import Plane, make_plane
from tests.unit.api.ctl.conftest import EXAMPLE, Ctl, Door, Outcome

README, DESK, OPERATORS = (
    ("README.md",),
    ("docs/desk/en.md",),
    ("docs/tasks/operators.md", *numbered("docs/tasks/operators.md")),
)
NETWORKS = "docs/tasks/register-networks.md"
ADMINISTRATORS = (
    "docs/tutorial/office-in-30-minutes.md",
    "docs/tasks/administrators.md",
    *numbered("docs/tasks/administrators.md"),
)
"""Pages in the order in which their commands are run: some assume what an earlier page made."""
OTHERS = {
    "docs/tasks/coming-from.md",
    "docs/tasks/feed-an-own-service.md",
    "docs/tasks/update-the-catalogue.md",
}
"""Pages of tasks that another test runs."""
ELSEWHERE = (
    "restore",
    "trace",
    "revision nodes",
    "service remove",
    "update show",
    "update accept",
    "update reject",
    "update object",
    "update withdraw",
)
"""Commands that cannot run here.

They need an empty machine, a past date without data, a node that reports, a ban that has ended, and an update, which
`tests/unit/api/ctl/operation/test_updates.py` makes.
"""
FED = "-"
"""Marks a command that reads the output of the one before; tests/integration/test_readme.py runs both."""
GIVEN: Mapping[str, Sequence[str]] = {
    "ban renew mechelen": ['ban renew federal tiktok --for "6 months" --reference EXAMPLE-FED-2023-2'],
    "audit export > record.jsonl": ["audit checkpoint --json > checkpoints.jsonl"],
    "authority close harbour": [
        "authority set harbour --kind agency --name nl=Haven --languages nl --contact ict@harbour.example"
    ],
    "authority merge village": [
        "authority set village --kind municipality --name nl=Dorp --languages nl --contact ict@village.example"
    ],
    "grant add ghent 7": [f"account add desk-{number} --name Desk --authority ghent" for number in range(7)],
    "grant end 4": [f"grant add ghent {number} reader --reason reads" for number in range(3, 6)],
}
"""Commands to run first, by the start of a guide's command that assumes their result."""


def before_the_guide(policy: str, *adopting: str) -> str:
    """Return the example policy without bindings, exemptions and the bans that the guide adopts."""
    blocks = re.split(r"^(?=\[\[(?!ban\.))", policy, flags=re.MULTILINE)
    removed = re.compile(rf'\[\[ban\]\]\nauthority = "({"|".join(adopting)})"|\[\[(binding|exemption)\]\]')
    return "".join(block for block in blocks if removed.match(block) is None)


POLICIES: Mapping[Sequence[str], Callable[[str], str]] = {
    README: lambda policy: policy,
    DESK: lambda policy: policy,
    OPERATORS: lambda policy: before_the_guide(policy, "mechelen"),
    ADMINISTRATORS: lambda policy: before_the_guide(policy, "ghent", "mechelen"),
}
"""The policy with which each sequence of pages begins."""


def shown_table(name: str) -> str:
    """Return the table of ranges that a guide shows."""
    (found,) = (block for language, block in FENCE.findall(text(name)) if block.startswith("site,prefix,"))
    return str(found)


@pytest.fixture
def plane(tmp_path: Path, packaged: Catalogue, door: Door, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plane]:
    made = make_plane(tmp_path / ".run", packaged)
    monkeypatch.setenv("DNSFILTER_URL", door.url)
    door.app = made.app
    yield made
    door.app = None
    made.database.close()


@pytest.fixture
def _typed(plane: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepare the files and the input that the guides assume."""
    for table in ("ranges.csv", "ghent.csv"):
        (tmp_path / table).write_text(shown_table(NETWORKS))
    (tmp_path / "games.txt").write_text("games.example.org\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(plane.settings.token_path.read_bytes())))
    (tmp_path / "other").write_text(plane.other())
    (tmp_path / "other").chmod(0o600)


def typed(ctl: Ctl, *words: str) -> Outcome:
    """Run a command. Write its output to the file that `>` names."""
    if ">" not in words:
        return ctl(*words)
    done = ctl(*words[: words.index(">")])
    Path(words[-1]).write_text(done.out)
    return done


def _ask_to_switch_off(plane: Plane) -> None:
    """Ask as an operator, because the guides' commands run as an administrator, whose acts need no approval."""
    _, token = plane.account("asker", ("operator", "ghent"))
    where = "/v1/authorities/ghent/bans/tiktok"
    plane.done("PATCH", where, {"mode": "enforce"})
    plane.done("PATCH", where, {"mode": "off", "mode_reason": "election night"}, token=token)


def test_every_page_of_tasks_is_run_here_or_elsewhere() -> None:
    assert {*OPERATORS, *ADMINISTRATORS} | OTHERS == set(tasks())


@pytest.mark.heavy
@pytest.mark.usefixtures("_typed")
@pytest.mark.parametrize("pages", POLICIES, ids=["readme", "desk", "operators", "administrators"])
def test_every_command_of_a_guide_succeeds(
    pages: tuple[str, ...], plane: Plane, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICIES[pages](EXAMPLE.read_text()))
    assert load_into_empty(plane.app.state.runtime, policy)
    plane.publisher.publish_current()
    failed = []
    for program, *words in chain.from_iterable(map(commands, pages)):
        command = " ".join(words)
        if program != "dnsfilterctl" or command.startswith(ELSEWHERE) or words[-1] == FED:
            continue
        for given in (line for start, lines in GIVEN.items() if command.startswith(start) for line in lines):
            assert typed(ctl, *shlex.split(given)).code == 0, given
        with monkeypatch.context() as here:
            if words[:2] == ["request", "approve"]:
                _ask_to_switch_off(plane)
            if words[1:2] == ["approve"]:
                here.setenv(VARIABLE, str(tmp_path / "other"))
            done = typed(ctl, *words)
        if done.code != (command in EXIT_CODE_1):
            failed.append(f"{command}: {done.code}: {done.err or done.out}")
    assert failed == []
