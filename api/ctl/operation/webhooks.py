"""dnsfilterctl webhook: receivers of events."""

from collections.abc import Iterator

from api.ctl.command import Group, Options, Result, given
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import columns, table
from api.ctl.remote.client import Client, path
from api.events.schemas import WebhookMade, WebhookRead
from api.http.schemas import Page

_ONCE = "The secret is shown only now. The receiver needs it to check signatures"


def add(groups: Group) -> None:
    """Add the group's commands."""
    group = groups.add_group("webhook")
    adder = group.add_verb(
        "add",
        _add,
        "Add a receiver. Prints the secret with which its events are signed.",
        "webhook add https://siem.example.org/dnsfilter",
        "webhook add https://siem.example.org/dnsfilter --authority ghent --types ban exemption suspension",
    )
    adder.add_argument("url", metavar="URL", help="https:// address of the receiver, or http:// on this machine")
    adder.add_slug("--authority", "only acts and notices that concern this authority (default: all)")
    adder.add_argument(
        "--types",
        nargs="+",
        metavar="TYPE",
        help="only these acts and notices, such as ban, ban.set_off, notice, notice.node_silent (default: all)",
    )
    group.add_verb("list", _list, "List webhooks, and how far each receiver is.", "webhook list")
    remove = group.add_verb(
        "remove",
        _remove,
        "Remove a webhook. Its receiver gets no further events, also not those that it missed.",
        "webhook remove 3",
    )
    remove.add_argument("number", type=int, metavar="NUMBER")


def _add(client: Client, options: Options) -> Result:
    made = client.send(WebhookMade, "POST", path("webhooks"), given(options, "url", "authority", "types"))
    return Result(made, lambda: _lines(made), notes=(_ONCE,))


def _list(client: Client, _options: Options) -> Result:
    page = client.get(Page[WebhookRead], path("webhooks"))
    return listed(page, lambda: _table(page.items), "webhooks")


def _remove(client: Client, options: Options) -> Result:
    client.delete(path("webhooks", str(options.number)))
    return Result({"removed": options.number}, lambda: [f"removed webhook {options.number}"])


def _lines(made: WebhookMade) -> Iterator[str]:
    yield from columns(
        [
            ("webhook", str(made.number)),
            ("url", made.url),
            ("authority", made.authority or "all"),
            ("types", " ".join(made.types) or "all"),
            ("secret", made.secret),
        ]
    )


def _table(items: list[WebhookRead]) -> Iterator[str]:
    rows = [
        (
            str(item.number),
            item.url,
            item.authority or "all",
            " ".join(item.types) or "all",
            at_words(item.recorded),
            str(item.seq),
            f"{item.failures} failures: {item.failure}" if item.failures else "",
            f"{item.parked}, last {item.parked_event}: {item.parked_reason}" if item.parked else "",
        )
        for item in items
    ]
    yield from table(
        ("no.", "url", "authority", "types", "added", "through act", "problem", "parked"), rows, ("types", "url")
    )
