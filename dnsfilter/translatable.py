"""Texts for people that can be translated later: they keep their English template and its values."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any


class Text(str):
    """A text with values filled in, in English. A reader in another language gets a translation of its `template`.

    Only what is written as `Text("…")` can be translated: the template is a constant. A value may itself be a `Text`.
    """

    template: str
    values: dict[str, object]

    def __new__(cls, template: str, **values: Any) -> "Text":
        """Return the text of a template with `{…}` for each value. Without values it stays as it is."""
        made = super().__new__(cls, template.format(**values) if values else template)
        made.template, made.values = template, values
        return made

    def __str__(self) -> str:
        """Return the text itself: `str` of an error keeps its template."""
        return self

    def filled(self, **values: Any) -> "Text":
        """Return the text with values for its template."""
        return type(self)(self.template, **values)


class EnglishDay(str):
    """A day in English, as a value of a `Text`. A reader in another language gets it as that language writes it."""

    day: date

    def __new__(cls, text: str, day: date) -> "EnglishDay":
        """Return the text of a day."""
        made = super().__new__(cls, text)
        made.day = day
        return made


def either(words: Iterable[object]) -> str:
    """Return "reader or operator" of several words, which may be of an enum."""
    found, *others = words
    text = found if isinstance(found, str) else str(found)
    for other in others:
        text = Text("{one} or {other}", one=text, other=other)
    return text


def joined(texts: Sequence[str]) -> str:
    """Return texts as one, separated by semicolons."""
    found = texts[0] if texts else ""
    for other in texts[1:]:
        found = Text("{one}; {other}", one=found, other=other)
    return found
