"""dnsfilterctl service add, set, names, import and remove: an authority's own services."""

import argparse
from pathlib import Path

from api.ctl.arguments import own_service
from api.ctl.command import Body, Group, Options, Parser, Result, given
from api.ctl.display.safe_text import counted
from api.ctl.exit_codes import WrongInput
from api.ctl.policy.service_lines import service_result
from api.ctl.remote.client import Client, path
from api.services.schemas import MAX_SENT, ServiceRead
from dnsfilter.errors import ListError
from dnsfilter.wire.names import name_text

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
    # The parser needs neither formats nor guard.
    from blocklists.formats.known import Format
    from blocklists.list_file import load_list
    from blocklists.update_review import PENDING_S

    try:
        found = load_list(options.file, None if options.format is None else Format(options.format), options.exact)
    except ListError as error:
        raise WrongInput(f"{options.file}: {error}") from error
    names = found.names
    if not len(names):
        raise WrongInput(f"{options.file} has no name. Type dnsfilter lists check {options.file}")
    if len(names) > MAX_SENT:
        raise WrongInput(f"{options.file} has {len(names)} names: at most {MAX_SENT} can be sent at once")
    body: Body = {
        **given(options, "name", "source", "note"),
        "domains": sorted(map(name_text, names.domains)),
        "hosts": sorted(map(name_text, names.hosts)),
    }
    where, query = _where(options.service), given(options, "reason")
    notes = _skipped(found.unreadable, options.file)
    if client.find(ServiceRead, where) is None:
        if options.name is None:
            raise WrongInput(f"{options.service} is new. Give its name with --name.")
        made = client.send(ServiceRead, "PUT", where, body, {"If-None-Match": "*"})
    else:
        imported = {"lines": found.lines, "skipped": found.unreadable}
        made = client.send(ServiceRead, "PATCH", where, {**body, "imported": imported}, query=query)
        notes += (f"New names are monitored for {PENDING_S // 3600} hours first. See dnsfilterctl update list",)
    return service_result(made, notes=notes)


def _skipped(count: int, file: Path) -> tuple[str, ...]:
    if not count:
        return ()
    return (f"{counted(count, 'line')} of {file} skipped. See dnsfilter lists check {file}",)


def _remove(client: Client, options: Options) -> Result:
    client.delete(_where(options.service))
    return Result({"removed": options.service}, lambda: [f"removed service {options.service}"])


def _where(service: str, *parts: str) -> str:
    authority, _, slug = service.partition(":")
    return path("authorities", authority, "services", slug, *parts)
