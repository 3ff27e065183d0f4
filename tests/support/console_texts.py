"""The texts of the console's pages and templates, and the catalogues that translate them."""

from importlib.resources import files
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

LANGUAGES = ("nl", "fr", "de")
METHODS = [("**.py", "python"), ("**.jinja", "jinja2.ext:babel_extract")]
KEYWORDS = {"_": None, "N_": None, "translate": None, "n_": (1, 2), "count": (1, 2)}


def path_of(language: str) -> Path:
    """Return the file of a language's catalogue."""
    return Path(str(files("api"))) / "locale" / language / "LC_MESSAGES" / "console.po"


def texts() -> Catalog:
    """Return every text that the console may show, in English."""
    found = Catalog()
    for _, _, message, _, _ in extract_from_dir(str(files("api.console")), METHODS, keywords=KEYWORDS):
        found.add(message)
    return found


def catalogue(language: str) -> Catalog:
    """Return a language's catalogue."""
    with path_of(language).open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def renew(language: str) -> int:
    """Add new texts to a catalogue, and remove those that no page has. Return how many are not translated."""
    found = catalogue(language)
    found.update(texts(), no_fuzzy_matching=True)
    path = path_of(language)
    header, _, _ = path.read_text(encoding="utf-8").partition("\n\n")
    with path.open("wb") as file:
        file.write(f"{header}\n\n".encode())
        write_po(file, found, width=120, sort_output=True, omit_header=True, no_location=True, ignore_obsolete=True)
    return sum(not is_translated(message) for message in found if message.id)


def is_translated(message: Message) -> bool:
    """Return whether a text has its translation, in every plural form."""
    said = message.string
    return all(said) if isinstance(said, tuple | list) else bool(said)
