"""A test mail: shows whether notices reach an authority or the installation, without waiting for a due one."""

from api.db.models import AuthorityRow
from api.db.session import Database
from api.db.unit_of_work import Actor, UnitOfWork
from api.delivery.destinations import MailDestination, is_mailbox
from api.delivery.mail import MAIL_FAILURES, connect, describe_failure, make_message
from api.errors import Conflict
from api.http.parameters import demand_authority
from api.notices.schemas import NoticeTestRead
from dnsfilter.policy.model import Instant

SUBJECT = "dnsfilter: test of notices"
TEXT = """\
This is a test. An administrator of dnsfilter has sent it, to check that notices arrive at this address.

Nothing has changed, and nothing needs to be done.
"""


def send_test_mail(
    database: Database, destination: MailDestination | None, actor: Actor, now_s: Instant, authority: str | None
) -> NoticeTestRead:
    """Record the act, then send the mail outside the transaction. Return whether the server took it.

    Raise Invalid if the authority is not registered. Raise Conflict without a mail server or an address.
    """
    if destination is None:
        raise Conflict("no mail server is set: set DNSFILTER_API_NOTICES_MAIL and restart the control plane")
    with database.writing() as session:
        recipients = list(destination.recipients)
        if authority is not None:
            demand_authority(session, authority)
            recipients = [session.get_one(AuthorityRow, authority).contact]
        if not recipients or not all(map(is_mailbox, recipients)):
            whose = "the installation has no address: add to=ADDRESS to DNSFILTER_API_NOTICES_MAIL"
            raise Conflict(whose if authority is None else f"the contact of {authority} is not a mail address")
        concerned = () if authority is None else (authority,)
        unit = UnitOfWork(session, actor, now_s)
        unit.note("notice.test", "notice/test", None, {"authority": authority}, *concerned)
    failure = _failure(destination, recipients)
    return NoticeTestRead(authority=authority, recipients=recipients, sent=not failure, failure=failure)


def _failure(destination: MailDestination, recipients: list[str]) -> str:
    """Send the mail. Return why the server did not take it for all recipients, or an empty text."""
    try:
        message = make_message(destination.sender, recipients, SUBJECT)
        message.set_content(TEXT, cte="7bit")
        with connect(destination) as server:
            refused = server.send_message(message, destination.sender, recipients)
    except (ValueError, *MAIL_FAILURES) as error:
        return describe_failure(error)
    return f"{len(refused)} of {len(recipients)} recipients refused" if refused else ""
