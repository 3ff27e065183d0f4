"""Completion in bash: every command, option, choice and file of both programs."""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from api.cli import main as main_of_ctl
from api.ctl.parser import fresh_parser
from dnsfilter.cli.main import main, make_parser
from dnsfilter.shell_completion import SHELLS, Words, completion_script, every

pytestmark = pytest.mark.heavy

MAKERS: tuple[Callable[[], argparse.ArgumentParser], ...] = (fresh_parser, make_parser)
PROGRAMS = ("dnsfilterctl", "dnsfilter")
ASK = 'ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); %s; IFS=" "; echo "${COMPREPLY[*]}"; unset IFS; }'


def _completed(script: str, asked: Sequence[Sequence[str]], cwd: Path) -> list[set[str]]:
    """Return what bash offers for the last of each list of words."""
    function = script.split()[-2]
    lines = [script, ASK % function, *("ask " + " ".join(f"'{word}'" for word in words) for words in asked)]
    done = subprocess.run(
        ["bash", "--norc", "-c", 'eval "$(cat)"'], input="\n".join(lines), capture_output=True, text=True, cwd=cwd
    )
    assert (done.returncode, done.stderr) == (0, "")
    offered = done.stdout.split("\n")[:-1]
    assert len(offered) == len(asked)
    return [set(line.split()) for line in offered]


def _expected(parser: argparse.ArgumentParser) -> Iterator[tuple[list[str], set[str]]]:
    """Yield words of a command line and the possible last words, for one command."""
    words = parser.prog.split()
    options = [action for action in parser._actions if action.option_strings]
    positional = [action for action in parser._actions if not action.option_strings]
    yield [*words, "--"], {name for action in options for name in action.option_strings if name.startswith("--")}
    for action in options:
        known = action.type.known if isinstance(action.type, Words) else action.choices
        if known:
            yield [*words, action.option_strings[-1], ""], set(known)
    for at, action in enumerate(positional):
        if action.choices:
            yield [*words, *["192.0.2.1"] * at, ""], set(action.choices)


@pytest.mark.parametrize("make", MAKERS, ids=PROGRAMS)
def test_bash_completes_every_command_option_and_choice(
    make: Callable[[], argparse.ArgumentParser], tmp_path: Path
) -> None:
    cases = [case for parser in every(make()) for case in _expected(parser)]
    offered = _completed(completion_script(make(), "bash"), [words for words, _ in cases], tmp_path)
    wrong = [
        (words, expected ^ found) for (words, expected), found in zip(cases, offered, strict=True) if expected != found
    ]
    assert wrong == []
    assert len(cases) > 10


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["dnsfilterctl", "ban", "li"], {"list"}),
        (["dnsfilterctl", "--json", "ban", "set", "ghent", "tiktok", "--mode", "en"], {"enforce"}),
        (["dnsfilterctl", "ban", "set", "ghent/tiktok", "--mode", "en"], {"enforce"}),
        (["dnsfilterctl", "exemption", "ask", "ghent", "tiktok", "192.0.2.0/28", "--rea"], {"--reason"}),
        (["dnsfilterctl", "exemption", "ask", "ghent/tiktok", "192.0.2.0/28", "--rea"], {"--reason"}),
        (["dnsfilterctl", "policy", "apply", "pol"], {"policy.toml", "policies"}),
        (["dnsfilterctl", "ban", "list", "--token-file", "pol"], {"policy.toml", "policies"}),
        (["dnsfilterctl", "restore", "policy.toml", "--state-dir", "pol"], {"policies"}),
        (["dnsfilterctl", "policy", "export", "--archive", "policy."], {"policy.toml"}),
        (["dnsfilterctl", "audit", "verify", "policy.toml", "policy."], {"policy.toml"}),
        (["dnsfilterctl", "ban", "show", "pol"], set()),
        (["dnsfilter", "serve", "--policy", "policy."], {"policy.toml"}),
        (["dnsfilter", "up", "--state-dir", "pol"], {"policies"}),
        (["dnsfilter", "snapshot", "u"], {"use", "unquarantine"}),
    ],
)
def test_file_arguments_are_completed_with_files(words: list[str], offered: set[str], tmp_path: Path) -> None:
    (tmp_path / "policy.toml").touch()
    (tmp_path / "policies").mkdir()
    script = completion_script(MAKERS[PROGRAMS.index(words[0])](), "bash")
    assert _completed(script, [words], tmp_path) == [offered]


@pytest.mark.parametrize("make", MAKERS, ids=PROGRAMS)
def test_zsh_script_has_every_command_and_option(make: Callable[[], argparse.ArgumentParser]) -> None:
    script = completion_script(make(), "zsh")
    for parser in every(make()):
        assert f"_{re.sub('[ -]', '_', parser.prog)}_" in script or f'"{parser.prog.split()[-1]}:' in script, (
            parser.prog
        )
        assert [name for action in parser._actions for name in action.option_strings if name not in script] == []


@pytest.mark.parametrize("shell", SHELLS)
def test_both_programs_print_the_script_of_a_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main_of_ctl(["completion", shell]) == 0
    assert capsys.readouterr() == (f"{completion_script(fresh_parser(), shell)}\n", "")
    with pytest.raises(SystemExit) as ended:
        main(["completion", shell])
    assert ended.value.code == 0
    assert capsys.readouterr() == (f"{completion_script(make_parser(), shell)}\n", "")


@pytest.mark.parametrize("run", [main_of_ctl, main], ids=PROGRAMS)
def test_unknown_shell_is_wrong_input(run: Callable[[list[str]], object], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["completion", "csh"])
    assert ended.value.code == 2
    assert "csh" in capsys.readouterr().err


@pytest.mark.parametrize(
    "statement",
    [
        "from api.cli import main; main(['--help'])",
        "from api.cli import main; main(['ban', 'list', '--help'])",
        "from dnsfilter.cli.main import main; main(['--help'])",
        "import dnsfilter.worker.process; sys.exit(0)",
    ],
)
def test_help_and_workers_load_neither_columns_nor_completion(statement: str) -> None:
    program = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)); {statement}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"rich", "shtab"} & set(done.stdout.splitlines()[-1].split())
