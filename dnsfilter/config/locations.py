"""Parse TOML text, and describe locations in it: the file, the key path and the identity of the entry."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from dnsfilter.errors import ConfigError, Problem

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and list indices from the root: `("upstream", "servers", 1)`."""

MAX_DEPTH = 16
"""Maximum depth of keys and list indices. `ban[0].term[0].decision.organ` has 6. So recursion over the data is safe."""

_LONG_KEY = re.compile(r"""(?<![\w.-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){500}""")
"""A key with more parts than any valid value has labels. tomllib takes quadratic time for such a key."""
_SYNTAX_ERROR = re.compile(r"(?P<what>.*?) \(at (?:line (?P<line>\d+), column \d+|end of document)\)", re.DOTALL)
_PATH_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_IDENTIFYING = ("slug", "prefix", "suffix", "authority", "of", "service", "name")
"""Keys whose values identify the list entry of a location."""
_MAX_IDENTIFYING = 80
"""Maximum number of characters of a value that a location repeats."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault at a key path."""

    path: KeyPath
    message: str


@dataclass(frozen=True, slots=True)
class Written:
    """A TOML file's data. `name` stands for the file in locations."""

    name: str
    data: dict[str, Any]

    def holds(self, path: KeyPath) -> bool:
        """Return whether the file has something at `path`."""
        return len(self._known(path)) == len(path)

    def problems(self, faults: list[Fault]) -> tuple[Problem, ...]:
        """Return the faults in file order, each once, with locations like `office.toml upstream.servers[1]`."""
        if not faults:
            return ()
        order = {path: number for number, path in enumerate(_paths(self.data), 1)}
        ordered = sorted(dict.fromkeys(faults), key=lambda fault: order.get(self._known(fault.path), 0))
        return tuple(Problem(self._location(fault.path), fault.message) for fault in ordered)

    def _known(self, path: KeyPath) -> KeyPath:
        """Return the longest part of `path` that the file has."""
        held: Any = self.data
        for length, part in enumerate(path):
            is_there = isinstance(held, dict) and part in held
            if not is_there and not (isinstance(held, list) and isinstance(part, int) and 0 <= part < len(held)):
                return path[:length]
            held = held[part]
        return path

    def _location(self, path: KeyPath) -> str:
        entry = self._entry(path)
        return f"{self.name} {path_text(path)}".rstrip() + (f" ({', '.join(entry)})" if entry else "")

    def _entry(self, path: KeyPath) -> list[str]:
        """Return the values that identify the first list item on the path, without the value at the path itself."""
        held: Any = self.data
        for part in self._known(path):
            held = held[part]
            if isinstance(part, int) and isinstance(held, dict):
                values = [held[key] for key in _IDENTIFYING if key in held and key != path[-1]]
                return [value for value in values if isinstance(value, str) and _is_short(value)]
        return []


def _is_short(value: str) -> bool:
    return value.isprintable() and len(value) <= _MAX_IDENTIFYING


def _paths(data: dict[str, Any]) -> Iterator[KeyPath]:
    """Yield every path of the data, in file order, each before those below it."""
    pending: list[tuple[KeyPath, Any]] = [((), data)]
    while pending:
        path, value = pending.pop()
        yield path
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        pending.extend(reversed([((*path, key), held) for key, held in items]))


def path_text(path: KeyPath) -> str:
    """Return a path as text: `upstream.servers[1]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def parse_path(text: str) -> KeyPath:
    """Parse the result of `path_text`, for keys without dots and brackets."""
    return tuple(int(index) if index else key for key, index in _PATH_PART.findall(text))


def parse_toml(text: str, name: str) -> Written:
    """Return the data of a TOML text. Raise ConfigError for the first syntax error, with its line, or too deep data."""
    long_key = _LONG_KEY.search(text)
    if long_key is not None:
        line = text.count("\n", 0, long_key.start()) + 1
        raise ConfigError((Problem(f"{name}:{line}", f"is nested more than {MAX_DEPTH} levels deep"),))
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError((_syntax_problem(str(error), text, name),)) from error
    except (RecursionError, ValueError) as error:
        raise ConfigError((Problem(name, f"cannot be read as TOML: {error}"),)) from error
    deep = _too_deep(data)
    if deep is not None:
        raise ConfigError((Problem(f"{name} {path_text(deep)}", f"is nested more than {MAX_DEPTH} levels deep"),))
    return Written(name, data)


def _too_deep(data: dict[str, Any]) -> KeyPath | None:
    """Return the first `MAX_DEPTH` parts of a path that has more, or None."""
    pending: list[tuple[KeyPath, Any]] = [((), data)]
    while pending:
        path, value = pending.pop()
        if not isinstance(value, (dict, list)) or not value:
            continue
        if len(path) == MAX_DEPTH:
            return path
        items = value.items() if isinstance(value, dict) else enumerate(value)
        pending.extend(((*path, key), held) for key, held in items if isinstance(held, (dict, list)))
    return None


def _syntax_problem(message: str, text: str, name: str) -> Problem:
    match = _SYNTAX_ERROR.fullmatch(message)
    if match is None:
        return Problem(name, f"cannot be read as TOML: {message}")
    line = int(match["line"]) if match["line"] else text.count("\n") + 1
    what = match["what"]
    return Problem(f"{name}:{line}", f"cannot be read as TOML: {what[:1].lower()}{what[1:]}")
