"""The pages of the console, in the order in which their paths are matched."""

from fastapi import APIRouter
from fastapi.routing import APIRoute

from api.console import (
    adopt,
    audit,
    authority_choice,
    lists,
    new_list,
    nodes,
    sign_in,
    styles,
    suspend,
    today,
    unknown_page,
)
from api.console.bans import ban_page, change_page, listing, names_behind, names_page, terms_page
from api.console.exemptions import exemption_form, exemption_pages
from api.console.frame import static_files
from api.console.frame.page_route import PageRoute
from api.console.networks import imports, ranges
from api.console.oidc import pages as oidc
from api.console.people import one_account, own_passkeys, people
from api.console.register import router as public_register
from api.console.registers import own_register, peers
from api.console.reports import pictures, report_page
from api.console.request_pages import router as requests
from api.console.why import router as why

ROUTERS: tuple[APIRouter, ...] = (
    static_files.router,
    public_register,
    oidc.router,
    sign_in.router,
    own_passkeys.router,
    people.router,
    authority_choice.router,
    one_account.router,
    styles.router,
    why,
    exemption_form.router,
    exemption_pages.router,
    requests,
    today.router,
    suspend.router,
    ranges.router,
    imports.router,
    report_page.router,
    pictures.router,
    audit.router,
    listing.router,
    ban_page.router,
    change_page.router,
    nodes.router,
    terms_page.router,
    names_behind.router,
    names_page.router,
    adopt.router,
    lists.router,
    new_list.router,
    own_register.router,
    peers.router,
    unknown_page.router,
)


def console_routes() -> list[APIRoute]:
    """Return the routes of all pages and their files."""
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def page_routes() -> list[PageRoute]:
    """Return the routes of all pages."""
    return [route for route in console_routes() if isinstance(route, PageRoute)]
