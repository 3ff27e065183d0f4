"""What documents of the project say is typed."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROJECT = Path(__file__).parents[2]


@cache
def text(name: str) -> str:
    """The whole of a document, which is named from the project's root."""
    return (_PROJECT / name).read_text(encoding="utf-8")


def commands(name: str) -> Iterator[list[str]]:
    """The words of each line that is run in a document's shell blocks, continuations joined, comments left out."""
    for language, block in FENCE.findall(text(name)):
        if language == "sh":
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words:
                    yield [words[0].removeprefix(".venv/bin/"), *words[1:]]
