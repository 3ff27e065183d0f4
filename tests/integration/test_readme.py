"""The commands of README.md, typed as printed, in a network namespace where its ports and addresses are free."""

import re
from collections.abc import Iterator

import pytest

from tests.support.checkout import UPSTREAM, Checkout, running_checkout, write_program
from tests.support.documents import EXIT_CODE_1, FENCE, text

pytestmark = pytest.mark.slow

FIRST, *BLOCKS = [block for language, block in FENCE.findall(text("README.md")) if language == "sh"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    assert f"make run UPSTREAM={UPSTREAM} " in FIRST
    with running_checkout(tmp_path_factory.mktemp("checkout") / "dnsfilter") as running:
        yield running


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a directory with the programs that README.md requires."""
    directory = tmp_path_factory.mktemp("tools")
    for name in ("dig", "curl"):
        write_program(directory, name)
    return str(directory)


def _lines(block: str) -> list[str]:
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def test_what_is_printed_can_be_typed_and_does_what_it_says(checkout: Checkout, tools: str) -> None:
    failed = []
    for line in (line for block in BLOCKS for line in _lines(block)):
        done = checkout.type(line, tools)
        _, _, said = line.partition("#")
        expected = int(any(command in line for command in EXIT_CODE_1))
        if done.returncode != expected or not _is_as_said(done.stdout, said if line.startswith("dig ") else ""):
            failed.append(f"{line}\n{done.returncode}\n{done.stdout}{done.stderr}")
    assert "\n".join(failed) == ""


def _is_as_said(answer: str, said: str) -> bool:
    """Return whether dig printed what the comment behind its line says."""
    if "REFUSED" in said:
        return "status: REFUSED" in answer and re.search(rf"EDE: {said.rpartition('EDE ')[2]}\b", answer) is not None
    return not said or "status: NOERROR" in answer
