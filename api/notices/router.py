"""/v1/notices: mails to authorities and to the installation."""

from fastapi import APIRouter

from api.http.dependencies import COSTLY, RuntimeDep, UnitDep
from api.http.parameters import DEFAULT_LIMIT, AuthorityFilter, Cursor, Limit
from api.http.permits import Administrator, ReaderOfSome
from api.http.problems import CONFLICT, DATABASE, documented
from api.http.routes import Route
from api.notices import repository, service
from api.notices.reading import read_notice
from api.notices.schemas import NoticesRead, NoticeState, NoticeTestRead, NoticeTestWrite

router = APIRouter(route_class=Route, prefix="/v1/notices", tags=["notices"])


@router.get("", operation_id="list_notices", summary="List notices", responses=documented())
def list_notices(
    unit: UnitDep,
    permit: ReaderOfSome,
    held: RuntimeDep,
    authority: AuthorityFilter,
    state: NoticeState | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> NoticesRead:
    """List notices, newest first.

    Accounts see the notices to authorities in which they have a role. Roles of the installation see all notices.
    """
    rows, following = repository.page(unit.session, permit.visible(), state, authority, limit, cursor)
    mail = held.settings.notices_mail is not None
    return NoticesRead(items=[read_notice(row) for row in rows], next=following, mail=mail)


@router.post(
    "/test",
    operation_id="send_test_mail",
    summary="Send a test mail",
    dependencies=[COSTLY],
    responses=documented(CONFLICT, DATABASE),
)
def send_test_mail(body: NoticeTestWrite, held: RuntimeDep, permit: Administrator) -> NoticeTestRead:
    """Send one mail now, to an authority's contact or to the installation's. It is recorded before it is sent.

    The answer says whether the mail server took it. No Idempotency-Key is needed, and the header is ignored.
    """
    return service.send_test_mail(
        held.database, held.settings.notices_mail, permit.caller.actor, int(held.clock()), body.authority
    )
