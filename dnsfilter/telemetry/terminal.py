"""Print lines safely on a terminal.

A name, a reason or an error's text may hold control characters of a terminal: escape sequences, carriage returns, marks
that reverse the direction of writing. Characters that are not printable are shown as their numbers.
"""

import unicodedata
from typing import TextIO


def say(text: object, *, file: TextIO | None = None, flush: bool = False) -> None:
    """Print one line, escaped, to standard output or to `file`."""
    print(escape(str(text)), file=file, flush=flush)


def escape(text: str) -> str:
    r"""Return `text` with unprintable characters as \xNN, \uNNNN or \UNNNNNNNN, and any kind of space as a space."""
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
