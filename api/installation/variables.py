"""Parse the syntax of systemd's `EnvironmentFile=` (systemd.exec(5))."""

import re

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE = re.compile(r"[ \t]*(?:[#;][^\r\n]*|([^\r\n]?[^=\r\n]*)(=?))")
_QUOTED = re.compile(r"""[ \t]*(?:'([^']*)(?:'|\Z)|"((?:[^"\\]|\\.|\\\Z)*)(?:"|\Z))""", re.DOTALL)
_PLAIN = re.compile(r"[ \t]*((?:[^\\\r\n]|\\.|\\\Z)*?)[ \t]*(?=[\r\n]|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.|\Z)", re.DOTALL)


def parse_environment(text: str) -> dict[str, str]:
    """Return the variables that systemd sets for such a file. Ignore lines that assign nothing."""
    found, place = {}, 0
    while place < len(text) and (line := _LINE.match(text, place)) is not None:
        name, equals = line.groups()
        place = line.end()
        if equals:
            value, place = _value(text, place)
            if _NAME.fullmatch(name := name.rstrip(" \t")):
                found[name] = value
        place += 1  # the end of the line
    return found


def _value(text: str, place: int) -> tuple[str, int]:
    """Return the value that begins at `place`, and the end of its line: quoted parts, then perhaps a plain one."""
    made = ""
    while (quoted := _QUOTED.match(text, place)) is not None:
        single, double = quoted.groups()
        made += _ESCAPE.sub(_in_quotes, double) if single is None else single
        place = quoted.end()
    plain = _PLAIN.match(text, place)
    if plain is None:  # cannot happen: the pattern matches anywhere
        raise ValueError(f"no value at {place}")
    return made + _ESCAPE.sub(_outside_quotes, plain[1]), plain.end()


def _in_quotes(escape: re.Match[str]) -> str:
    return "" if escape[1] == "\n" else escape[1] if escape[1] in '"\\`$' else escape[0]


def _outside_quotes(escape: re.Match[str]) -> str:
    return escape[1].strip("\r\n")
