"""TOML text -> its data, and the line on which each key stands (tomllib tells neither keys' nor values' lines)."""

import re
import tomllib
from dataclasses import dataclass
from typing import Any, TypeAlias

from dnsfilter.errors import ConfigError, Problem

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and list indices from the root: `("upstream", "servers", 1)`."""

MAX_DEPTH = 16
"""Of keys and list indices; `ban[0].term[0].decision.organ` has 6. What walks the data may recurse."""

_LONG_KEY = re.compile(r"""(?<![\w.-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){500}""")
"""More parts than any text that is allowed as a value has labels: tomllib takes quadratic time for such a key."""
_SYNTAX_ERROR = re.compile(r"(?P<what>.*?) \(at (?:line (?P<line>\d+), column \d+|end of document)\)", re.DOTALL)
_BARE_END = re.compile(r"[\s=.\]]")
_SCALAR_END = re.compile(r"[,\]}#\n]")
_PATH_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong at a key path."""

    path: KeyPath
    message: str


@dataclass(frozen=True, slots=True)
class Written:
    """A TOML file's data with the lines of its keys; `name` stands for the file in places."""

    name: str
    data: dict[str, Any]
    lines: dict[KeyPath, int]

    def line(self, path: KeyPath) -> int:
        """The line of the deepest known part of `path`; 0 when the file does not have it at all."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    def problems(self, faults: list[Fault]) -> tuple[Problem, ...]:
        """The faults in file order, each once, with places like `office.toml:4 upstream.servers[1]`."""
        ordered = sorted(dict.fromkeys(faults), key=lambda fault: self.line(fault.path))
        return tuple(Problem(self._place(fault.path), fault.message) for fault in ordered)

    def _place(self, path: KeyPath) -> str:
        line = self.line(path)
        return f"{self.name}{f':{line}' if line else ''} {path_text(path)}".rstrip()


def path_text(path: KeyPath) -> str:
    """`upstream.servers[1]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def parse_path(text: str) -> KeyPath:
    """The inverse of `path_text`, for keys without dots and brackets."""
    return tuple(int(index) if index else key for key, index in _PATH_PART.findall(text))


def parse_toml(text: str, name: str) -> Written:
    """Data and lines of a TOML text; raises ConfigError with the line of the first syntax error, or where too deep."""
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
    return Written(name, data, _Scanner(text.replace("\r\n", "\n")).scan())


def _too_deep(data: dict[str, Any]) -> KeyPath | None:
    """The first `MAX_DEPTH` parts of a path that has more, or None."""
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


class _Scanner:
    """Walks a text that tomllib has accepted, and notes the line of every key and list item."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._lines: dict[KeyPath, int] = {}
        self._sizes: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._skip_blank():
            if self._peek("["):
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _peek(self, what: str) -> bool:
        return self._text.startswith(what, self._at)

    def _move(self, to: int) -> str:
        passed = self._text[self._at : to]
        self._line += passed.count("\n")
        self._at = to
        return passed

    def _skip_blank(self, also: str = "") -> bool:
        """Move past white space, comments and the characters of `also`; False at the end of the text."""
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "#":
                end = self._text.find("\n", self._at)
                self._move(end if end >= 0 else len(self._text))
            elif character.isspace() or character in also:
                self._move(self._at + 1)
            else:
                return True
        return False

    def _header(self) -> KeyPath:
        line, many = self._line, self._peek("[[")
        self._move(self._at + (2 if many else 1))
        path: KeyPath = ()
        keys = self._keys("]")
        for key in keys[:-1]:
            path = self._inside((*path, key))
        path = (*path, keys[-1])
        self._move(self._at + (2 if many else 1))
        self._lines.setdefault(path, line)
        if many:
            index = self._sizes.get(path, 0)
            self._sizes[path] = index + 1
            path = (*path, index)
            self._lines[path] = line
        return path

    def _inside(self, path: KeyPath) -> KeyPath:
        return (*path, self._sizes[path] - 1) if path in self._sizes else path

    def _keys(self, end: str) -> list[str]:
        keys: list[str] = []
        while self._skip_blank(also=".") and not self._peek(end):
            if self._text[self._at] in "\"'":
                keys.append(self._string()[1:-1])
            else:
                match = _BARE_END.search(self._text, self._at)
                keys.append(self._move(match.start() if match else len(self._text)))
        return keys

    def _pair(self, table: KeyPath) -> None:
        line, path = self._line, table
        for key in self._keys("="):
            path = (*path, key)
            self._lines.setdefault(path, line)
        self._move(self._at + 1)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip_blank()
        match self._text[self._at : self._at + 1]:
            case '"' | "'":
                self._string()
            case "[":
                self._move(self._at + 1)
                index = 0
                while self._skip_blank(also=",") and not self._peek("]"):
                    self._lines[(*path, index)] = self._line
                    self._value((*path, index))
                    index += 1
                self._move(self._at + 1)
            case "{":
                self._move(self._at + 1)
                while self._skip_blank(also=",") and not self._peek("}"):
                    self._pair(path)
                self._move(self._at + 1)
            case _:
                match = _SCALAR_END.search(self._text, self._at)
                self._move(match.start() if match else len(self._text))

    def _string(self) -> str:
        quote = self._text[self._at]
        fence = quote * 3 if self._peek(quote * 3) else quote
        at = self._at + len(fence)
        while not self._text.startswith(fence, at):
            at += 2 if quote == '"' and self._text[at] == "\\" else 1
        at += len(fence)
        # A multi-line string may end in one or two quotes of its own.
        while len(fence) == 3 and self._text.startswith(quote, at):
            at += 1
        return self._move(at)
