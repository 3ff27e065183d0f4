"""The fields of a formal decision in requests and answers."""

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
