"""The page of colours, type and components."""

from fastapi import Request, Response

from api.console.frame.language import language_of
from api.console.frame.page_route import pages
from api.console.frame.rendering import render
from api.console.frame.visit import Form
from api.errors import Fault

router = pages()


@router.get("/styles")
def styles(request: Request) -> Response:
    """Show every component of the console."""
    form = Form({"reason": ["too short"]}, [Fault("body.reason", "give at least 10 characters")])
    return render("styles.html.jinja", language_of(request), form=form)
