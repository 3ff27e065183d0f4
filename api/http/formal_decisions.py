"""The fields of a formal decision in requests and answers, and a note about its date."""

from datetime import date

from api.http.schemas import Line, Link, OptionalDay, OptionalDayText, Read, Strict


class FormalDecisionWrite(Strict):
    """A formal decision."""

    organ: Line = ""
    reference: Line = ""
    date: OptionalDayText = ""
    legal_basis: Line = ""
    advice: Line = ""
    link: Link = ""


class FormalDecisionRead(Read):
    """A formal decision."""

    organ: str = ""
    reference: str = ""
    date: OptionalDay = ""
    legal_basis: str = ""
    advice: str = ""
    link: str = ""


def future_note(what: str, day: str, today: date) -> list[str]:
    """Return the note that `what`, a formal decision or an instrument, is dated in the future, if it is."""
    if not day or date.fromisoformat(day) <= today:
        return []
    return [f"{what} is dated {day}, in the future: check the date."]
