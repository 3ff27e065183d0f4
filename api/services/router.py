"""/v1/services: the catalogue of this installation."""

from fastapi import APIRouter

from api.errors import NotFound, unknown
from api.http.dependencies import RuntimeDep
from api.http.parameters import PagingDep
from api.http.permits import AnyAccount
from api.http.problems import NOT_FOUND, documented
from api.http.routes import Route
from api.http.schemas import Page, ServiceSlug
from api.services.reading import read_service, read_summary
from api.services.schemas import ServiceRead, ServiceSummary
from blocklists.categories import Category

router = APIRouter(route_class=Route, prefix="/v1/services", tags=["services"])


@router.get("", summary="List services")
def list_services(
    _permit: AnyAccount, held: RuntimeDep, paging: PagingDep, category: Category | None = None
) -> Page[ServiceSummary]:
    """List services by slug, without their domain names."""
    after = paging.after(str) or ""
    wanted = (entry for entry in held.catalogue.entries if category in (None, entry.category))
    entries = sorted((entry for entry in wanted if entry.slug > after), key=lambda entry: entry.slug)
    items, following = paging.cut(entries, lambda entry: entry.slug)
    return Page(items=[read_summary(entry) for entry in items], next=following)


@router.get("/{slug}", summary="Get a service", responses=documented(NOT_FOUND))
def get_service(_permit: AnyAccount, slug: ServiceSlug, held: RuntimeDep) -> ServiceRead:
    """Get one service with its tiers and their domain names."""
    try:
        return read_service(held.catalogue.entry(slug))
    except KeyError as error:
        raise NotFound(unknown("service", slug, held.publishing.packaged)) from error
