"""Lines for whoever reads them on a terminal, which obeys nothing of what others wrote.

A name, a reason or an error's text may hold what a terminal obeys: escape sequences, carriage returns, marks that
reverse the direction of writing. Whatever is not printable is shown as its number.
"""

import unicodedata
from typing import TextIO


def say(text: object, *, file: TextIO | None = None, flush: bool = False) -> None:
    """Print one line, escaped, on standard output or into `file`."""
    print(escape(str(text)), file=file, flush=flush)


def escape(text: str) -> str:
    r"""`text` with every character that is not printable as \xNN, \uNNNN or \UNNNNNNNN; each sort of space is one."""
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
