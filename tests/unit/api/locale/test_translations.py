"""One concept has one word in each language, in notices, in reports and on the pages of the console."""

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest
from babel.messages.pofile import read_po

TERMS = {
    r"\breviewed|\breview\b": {"nl": r"[eë]valu", "fr": r"réexam", "de": r"überprüf"},
    r"\bapprover": {"nl": r"goedkeurder", "fr": r"approbateur", "de": r"genehmiger"},
    r"control plane": {"nl": r"beheersysteem", "fr": r"système de gestion", "de": r"verwaltungssystem"},
    r"\bexemption": {"nl": r"uitzondering", "fr": r"dérogation", "de": r"ausnahme"},
    r"\bsuspen(d|s)": {"nl": r"schort", "fr": r"suspen", "de": r"aus(ge)?setz|setzen .*aus"},
    r"formal decision": {"nl": r"forme(el|le) besluit", "fr": r"décisions? formelle", "de": r"förmliche\w? beschl"},
    r"(name|less|network|queries).*\brefus|\brefus.*(name|queries)": {
        "nl": r"blokk",
        "fr": r"bloc?qu|blocage",
        "de": r"sperr",
    },
    r"\bprohibited list": {"nl": r"verbodslijst", "fr": r"listes? d'interdiction", "de": r"verbotsliste"},
    r"\bterms?\b": {"nl": r"termijn", "fr": r"période", "de": r"frist"},
    r"\brevoked": {"nl": r"ingetrokken", "fr": r"révoqu", "de": r"widerrufen"},
    r"\brejected": {"nl": r"afgewezen", "fr": r"rejet", "de": r"abgelehnt"},
    r"\brenew": {"nl": r"verleng", "fr": r"renouvel", "de": r"verläng"},
    r"\baudit log": {"nl": r"logboek", "fr": r"journal", "de": r"protokoll"},
    r"\bprovisional": {"nl": r"voorlopig", "fr": r"provisoire", "de": r"vorläufig"},
    r"legal basis": {"nl": r"rechtsgrond", "fr": r"base légale", "de": r"rechtsgrundlage"},
    r"\bnodes?\b": {"nl": r"node", "fr": r"nœud", "de": r"knoten"},
}
"""For each concept, the English word and its stem in each language."""
CATALOGUES = ("console", "notices", "reports")


def messages(language: str) -> Iterator[tuple[str, str]]:
    """Yield each English text of the catalogues, without its values, with its translation."""
    for catalogue in CATALOGUES:
        with (files("api") / "locale" / language / "LC_MESSAGES" / f"{catalogue}.po").open("rb") as file:
            for message in read_po(file, locale=language):
                english = message.id if isinstance(message.id, str) else message.id[0]
                said = message.string if isinstance(message.string, str) else (message.string or [""])[0]
                yield re.sub(r"\{\w+\}", "", english), said


@pytest.mark.parametrize("language", ["nl", "fr", "de"])
def test_a_concept_has_one_word_in_a_language(language: str) -> None:
    other = [
        (english, said)
        for english, said in messages(language)
        for term, stems in TERMS.items()
        if re.search(term, english, re.IGNORECASE) and not re.search(stems[language], said, re.IGNORECASE)
    ]
    assert other == []
