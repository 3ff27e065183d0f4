"""Decide on a request or an exemption: approve it with a note, or reject, revoke or withdraw it with a reason."""

from api.console.frame.calls import Refused
from api.console.frame.visit import Form, Visit


async def decide_on(visit: Visit, form: Form, number: int, act: str, operation: str) -> Form | None:
    """Do the act that a form asks for. Return the form with its faults if it is refused, else None.

    Each act has a reason of its own in the form, `reject_reason` for example, as several forms are on one page.
    """
    field = "note" if act == "approve" else f"{act}_reason"
    body = form.given("note") if act == "approve" else {"reason": form.text(field)}
    try:
        await visit.act(operation, {"number": number}, body)
    except Refused as error:
        return form.refused(error, reason=field)
    return None
