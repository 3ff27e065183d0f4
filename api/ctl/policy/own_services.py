"""dnsfilterctl service add, set, names, import and remove: an authority's own services."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from api.ctl.arguments import own_service
from api.ctl.command import Group, Options, Parser, Result, given
from api.ctl.display.progress import Progress
from api.ctl.display.safe_text import counted
from api.ctl.exit_codes import WrongInput
from api.ctl.policy.service_lines import service_result
from api.ctl.remote.client import Client, path
from api.services.schemas import MAX_FILE_BYTES, ImportedListRead, ServiceRead

READ_S = 300.0
"""Seconds to wait for the answer to a list."""
FORMATS = ("domains", "hosts", "adblock", "rpz")
_METAVAR = "AUTHORITY:SERVICE"


def add_own(group: Group) -> None:
    """Add the commands about own services."""
    adder = group.add_verb(
        "add",
        _add,
        "Define a service of your own: its names, and all names below them.",
        'service add ghent:games games.example.org --name Games --source "letter of the schools"',
    )
    _add_reference(adder)
    adder.add_argument("names", nargs="*", metavar="NAME", help="a name; all names below it belong to it")
    adder.add_argument("--host", action="append", default=[], metavar="NAME", help="a name without those below it")
    _add_fields(adder, needed=True)
    setter = group.add_verb(
        "set", _set, "Change name, source or note of an own service.", "service set ghent:games --note 2026"
    )
    _add_reference(setter)
    _add_fields(setter, needed=False)
    _add_names(group)
    _add_import(group)
    remover = group.add_verb(
        "remove", _remove, "Remove an own service that no ban names.", "service remove ghent:games"
    )
    _add_reference(remover)


def _add_names(group: Group) -> None:
    changer = group.add_verb(
        "names",
        _change_names,
        "Add names to an own service, or remove some.",
        "service names ghent:games --add play.example.net --remove games.example.org",
    )
    _add_reference(changer)
    changer.add_argument("--add", action="append", default=[], metavar="NAME", help="a name to add; may be repeated")
    changer.add_argument(
        "--remove", action="append", default=[], metavar="NAME", help="a name to remove; may be repeated"
    )
    changer.add_argument("--exact", action="store_true", help="the names mean only themselves, not names below them")
    changer.add_why()


def _add_import(group: Group) -> None:
    importer = group.add_verb(
        "import",
        _import,
        "Let a file be the names of an own service. It replaces all earlier names.",
        "service import ghent:games games.txt --name Games",
    )
    _add_reference(importer)
    importer.add_argument("file", type=Path, metavar="FILE", help="a list of names; dnsfilter lists check reads it too")
    importer.add_argument("--format", choices=FORMATS, help="the file's format (default: found by its beginning)")
    meaning = importer.add_mutually_exclusive_group()
    meaning.add_argument(
        "--exact", action="store_const", const=True, help="read each name as exactly this name (default for hosts)"
    )
    meaning.add_argument(
        "--suffixes", action="store_const", const=False, dest="exact", help="read each name with all names below it"
    )
    _add_fields(importer, needed=False)
    importer.add_why()


def _add_reference(parser: Parser) -> None:
    parser.add_argument("service", type=own_service, metavar=_METAVAR, help="the own service, such as ghent:games")


def _add_fields(parser: argparse.ArgumentParser, *, needed: bool) -> None:
    parser.add_argument("--name", required=needed, metavar="TEXT", help="its name, for people")
    parser.add_argument("--source", metavar="TEXT", help="where its names come from")
    parser.add_argument("--note", metavar="TEXT", help="a remark for people")


def _add(client: Client, options: Options) -> Result:
    body = {**given(options, "name", "source", "note"), "domains": options.names, "hosts": options.host}
    made = client.send(ServiceRead, "PUT", _where(options.service), body, {"If-None-Match": "*"})
    return service_result(made)


def _set(client: Client, options: Options) -> Result:
    body = given(options, "name", "source", "note")
    return service_result(client.send(ServiceRead, "PATCH", _where(options.service), body))


def _change_names(client: Client, options: Options) -> Result:
    if not options.add and not options.remove:
        raise WrongInput("Nothing to change. Give names with --add or --remove.")
    body = {"add": options.add, "remove": options.remove, "exact": options.exact}
    query = given(options, "reason")
    return service_result(client.send(ServiceRead, "POST", _where(options.service, "names"), body, query=query))


def _import(client: Client, options: Options) -> Result:
    # The parser needs no guard.
    from blocklists.update_review import PENDING_S

    query = given(options, "name", "source", "note", "reason", "format")
    if options.exact is not None:
        query["exact"] = str(options.exact).lower()
    text = _text(options.file)
    with Progress() as progress:

        def show(done: int, total: int) -> None:
            size = f"{total / 1e6:.1f} MB"
            if done < total:
                progress.say(f"sending {size}", done, total)
            else:
                progress.say(f"sent {size}: the control plane reads, compares and compiles it")

        where = _where(options.service, "import")
        # A million names take seconds to read, compare and compile.
        done = client.send_text(ImportedListRead, where, text, "text/plain", query, within_s=READ_S, sent_bytes=show)
    notes = []
    if done.skipped:
        hint = f"See dnsfilter lists check {options.file}"
        notes.append(f"{counted(done.skipped, 'line')} of {options.file} skipped. {hint}")
    if done.update is not None and done.update.pending:
        hint = f"See dnsfilterctl update show {done.update.number}"
        notes.append(f"New names are monitored for {PENDING_S // 3600} hours first. {hint}")
    return Result(done, lambda: _imported(done), notes=tuple(notes))


def _text(file: Path) -> str:
    """Return the text of a list. What is not UTF-8 is no name, and is skipped as such."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise WrongInput(f"cannot read {file}: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise WrongInput(
            f"{file} is larger than {MAX_FILE_BYTES} bytes, the most that can be imported: "
            "divide it into several services, or set a feed"
        )
    return data.decode(errors="replace")


def _imported(done: ImportedListRead) -> Iterator[str]:
    yield f"{done.service}: {counted(done.names, 'name')} in {counted(done.lines, 'line')} of format {done.format}"
    if done.update is not None:
        found = done.update
        state = found.state.replace("_", " ")
        yield f"update {found.number} is {state}: {found.added} added, {found.removed} removed"
        yield from (f"  {reason.text}" for reason in found.reasons)


def _remove(client: Client, options: Options) -> Result:
    client.delete(_where(options.service))
    return Result({"removed": options.service}, lambda: [f"removed service {options.service}"])


def _where(service: str, *parts: str) -> str:
    authority, _, slug = service.partition(":")
    return path("authorities", authority, "services", slug, *parts)
