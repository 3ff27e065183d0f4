"""dnsfilterctl notice: notices that authorities get by mail."""

from collections.abc import Iterator
from dataclasses import replace

from api.ctl.command import Group, Options, Result, given
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import table
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import DONE, FOUND
from api.ctl.remote.client import Client, path
from api.notices.schemas import NoticeRead, NoticesRead, NoticeState, NoticeTestRead


def add(groups: Group) -> None:
    """Add the command of the group."""
    group = groups.add_group("notice")
    lister = group.add_verb("list", _list, "List notices, newest first.", "notice list --state failed")
    lister.add_state(NoticeState)
    lister.add_slug("--authority", "only notices to this authority")
    lister.add_limit()
    tester = group.add_verb(
        "test",
        _test,
        "Send a test mail, to an authority's contact or the installation's. Exit code 1 if the server refuses it.",
        "notice test",
        "notice test ghent",
    )
    tester.add_slug("authority", "whose contact gets the mail (default: the installation's)", nargs="?")


def _list(client: Client, options: Options) -> Result:
    page = client.list(NoticeRead, path("notices"), options.limit, given(options, "state", "authority"))
    found = listed(page, lambda: _table(page.items, Names(client)), "notices")
    if client.get(NoticesRead, path("notices"), {"limit": 1}).mail:
        return found
    return replace(
        found,
        notes=(*found.notes, "No notice is mailed: the control plane has no mail server. Set --notices-mail there."),
    )


def _test(client: Client, options: Options) -> Result:
    found = client.send(NoticeTestRead, "POST", path("notices", "test"), given(options, "authority"))
    addresses = ", ".join(found.recipients)
    line = (
        f"the mail server took a test mail to {addresses}"
        if found.sent
        else f"not sent to {addresses}: {found.failure}"
    )
    return Result(found, lambda: [line], code=DONE if found.sent else FOUND)


def _table(items: list[NoticeRead], names: Names) -> Iterator[str]:
    names.prepare({item.authority for item in items if item.authority is not None})
    rows = [
        (
            str(item.number),
            item.kind.replace("_", " "),
            item.ban or "",
            item.authority or "",
            "the installation" if item.authority is None else names.authority(item.authority),
            _state_words(item, names.time_zone(item.authority)),
            item.failure,
        )
        for item in items
    ]
    yield from table(("no.", "about", "ban", "to", "name", "state", "failure"), rows, ("name",))


def _state_words(item: NoticeRead, time_zone: str | None) -> str:
    if item.sent is not None:
        return f"sent {at_words(item.sent, time_zone)}"
    if item.state is NoticeState.NOT_MAILED:
        return f"not mailed, made {at_words(item.recorded, time_zone)}"
    if item.next_try is None:
        return f"failed, made {at_words(item.recorded, time_zone)}"
    return f"waiting since {at_words(item.recorded, time_zone)}, tries: {item.tries}"
