"""The texts of the console's pages and of the refusals that they show, and the catalogues that translate them."""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

LANGUAGES = ("nl", "fr", "de")
METHODS = [("**.py", "python"), ("**.jinja", "jinja2.ext:babel_extract")]
REFUSING = ("api", "blocklists", "dnsfilter")
"""The packages whose refusals pages show."""
OPERATORS_MEET = (
    "api/bans",
    "api/exemptions",
    "api/names",
    "api/range_import",
    "api/ranges",
    "api/suspensions",
    "dnsfilter/policy",
)
"""The rooms whose refusals operators meet on pages: each of them can be translated."""
REFUSALS = {"Conflict": 0, "Forbidden": 0, "NotFound": 0, "Withheld": 0, "ValueError": 0, "Invalid.at": 1, "Fault": 1}
"""What raises or reports a refusal, and which argument is its text."""
ROOT = Path(str(files("api"))).parent
KEYWORDS = {"_": None, "N_": None, "translate": None, "n_": (1, 2), "count": (1, 2)}


def path_of(language: str) -> Path:
    """Return the file of a language's catalogue."""
    return Path(str(files("api"))) / "locale" / language / "LC_MESSAGES" / "console.po"


@cache
def texts() -> Catalog:
    """Return every text that the console may show, in English."""
    found = Catalog()
    for _, _, message, _, _ in extract_from_dir(str(files("api.console")), METHODS, keywords=KEYWORDS):
        found.add(message)
    for call in _calls_of_text():
        found.add(_template_of(call))
    return found


def _calls_of_text() -> Iterator[ast.Call]:
    """Yield every call of `Text`: its template is a text that a page may show."""
    for package in REFUSING:
        for path in sorted(ROOT.joinpath(package).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if "dnsfilter.translatable" in source or "class Text(str)" in source:
                calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
                yield from (call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Text")


def _template_of(call: ast.Call) -> str:
    """Return the template of a call of `Text`. Raise TypeError if it is not constant: it could not be translated."""
    template = call.args[0]
    if not isinstance(template, ast.Constant) or not isinstance(template.value, str):
        raise TypeError(f"Text({ast.unparse(template)}): give a constant with {{names}}, and the values by name")
    return template.value


def refusals_without_template() -> list[str]:
    """Return the refusals in `OPERATORS_MEET` whose text is no `Text`, with their places."""
    found = list[str]()
    for path in (path for room in OPERATORS_MEET for path in sorted(ROOT.joinpath(room).rglob("*.py"))):
        calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
        written = [each for each in calls if isinstance(_refusal_of(each), ast.JoinedStr | ast.Constant)]
        found += [f"{path.relative_to(ROOT)}:{each.lineno}" for each in written]
    return found


def _refusal_of(call: ast.Call) -> ast.expr | None:
    """Return the text that a call raises or reports, if it is a refusal."""
    at = REFUSALS.get(ast.unparse(call.func))
    return call.args[at] if at is not None and len(call.args) > at else None


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
