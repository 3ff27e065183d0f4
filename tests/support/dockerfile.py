"""The Dockerfile's stages and instructions, for the tests about images."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.support.components import PROJECT

DOCKERFILE = PROJECT / "deploy" / "docker" / "Dockerfile"


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: its instructions in order, each a word and the rest of its line, with continued lines joined."""

    instructions: tuple[tuple[str, str], ...]

    def all(self, word: str) -> list[str]:
        """Return the rest of each instruction with that word."""
        return [rest for found, rest in self.instructions if found == word]

    def command(self) -> list[str]:
        """Return the words of CMD."""
        (text,) = self.all("CMD")
        return [str(word) for word in json.loads(text)]

    def commands(self) -> list[list[str]]:
        """Return the words of each command of all RUN instructions."""
        return [shlex.split(command) for run in self.all("RUN") for command in run.split("&&")]


def stages(path: Path = DOCKERFILE) -> dict[str, Stage]:
    """Return the stages by name. The last one, which has no name, is `""`."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    found: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    for line in joined:
        word, _, rest = line.partition(" ")
        if word == "FROM":
            current = found.setdefault(rest.partition(" AS ")[2], [])
        current.append((word, rest))
    return {name: Stage(tuple(instructions)) for name, instructions in found.items()}


def image_users() -> dict[str, int]:
    """Return the number of each user of the image."""
    rows = [words for words in stages()[""].commands() if words[0] == "useradd"]
    return {words[-1]: int(words[words.index("--uid") + 1]) for words in rows}
