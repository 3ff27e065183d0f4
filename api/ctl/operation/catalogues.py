"""dnsfilterctl catalogue: which catalogue is in force, and loading one between releases."""

from collections.abc import Iterator

from api.catalogue.schemas import CatalogueLoadingRead, CatalogueRead
from api.ctl.command import Group, Options, Result
from api.ctl.display.safe_text import columns
from api.ctl.input_files import read_text
from api.ctl.remote.client import Client, path
from api.updates.schemas import UpdateRead, UpdateState

MAX_BYTES = 8 << 20
"""Maximum size of a signed catalogue; the API's limit."""
MEDIA_TYPE = "application/octet-stream"


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("catalogue")
    group.add_verb(
        "show", _show, "Show the packaged and the last loaded catalogue. The higher number counts.", "catalogue show"
    )
    load = group.add_verb(
        "load",
        _load,
        "Load a signed catalogue. New names are monitored for 72 hours first, and a list with a mistake is held back.",
        "catalogue load dnsfilter-catalogue-7.json",
    )
    load.add_argument("file", metavar="FILE", help="- is standard input")


def _show(client: Client, options: Options) -> Result:
    found = client.get(CatalogueRead, path("catalogue"))
    return Result(found, lambda: _lines(found))


def _load(client: Client, options: Options) -> Result:
    text = read_text(options.file, MAX_BYTES)
    done = client.send_text(CatalogueLoadingRead, path("catalogue"), text, MEDIA_TYPE, method="PUT")
    return Result(done, lambda: _loaded(done))


def _lines(found: CatalogueRead) -> Iterator[str]:
    loaded = found.last_loaded
    yield from columns(
        [
            ("in force", f"catalogue {found.number}"),
            ("packaged", f"{found.packaged.number} of {found.packaged.made}"),
            ("loaded", "none" if loaded is None else f"{loaded.number} of {loaded.made}, on {loaded.loaded}"),
            ("trusted key", found.trusted_key or "none: no catalogue is loaded"),
        ]
    )


def _loaded(done: CatalogueLoadingRead) -> Iterator[str]:
    yield f"catalogue {done.last_loaded.number} of {done.last_loaded.made} loaded"
    for update in done.updates:
        yield _update_line(update)
    for service in done.new_services:
        yield f"new service: {service.slug}  {service.name} ({service.category})"
    if not done.updates:
        yield "no names changed"


def _update_line(update: UpdateRead) -> str:
    """Return what happens to a service: its names, from when, or why not."""
    names = f"{update.service}: {update.added} names come, {update.removed} go"
    show = f"see dnsfilterctl update show {update.number}"
    match update.state:
        case UpdateState.HELD_BACK:
            return f"{names}: held back, {'; '.join(reason.text for reason in update.reasons)}: {show}"
        case UpdateState.PENDING:
            return f"{names}: new names are monitored until {update.enforced_from}, then enforced: {show}"
        case _:
            return f"{names}: in force"
