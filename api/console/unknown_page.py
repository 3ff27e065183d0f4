"""Every other address of the console: a page that says that there is none."""

from fastapi import Response
from starlette.exceptions import HTTPException

from api.console.frame.page_route import pages
from api.console.frame.visit import MaybeVisiting

router = pages()


@router.get("/{rest:path}")
def unknown_page(rest: str, _visit: MaybeVisiting) -> Response:
    """Raise HTTPException, which becomes the page of an error."""
    raise HTTPException(404, rest)
