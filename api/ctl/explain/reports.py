"""dnsfilterctl ban report, ban study and prohibited-list report: reports as Markdown, HTML or JSON."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from api.ctl.arguments import words_of
from api.ctl.ban_references import LIST_METAVAR, list_reference
from api.ctl.command import Body, Group, Options, Parser, Result, given
from api.ctl.input_files import write_atomically
from api.ctl.remote.client import Client, path, where_of
from api.report.schemas import FileFormat, Interval, Language


def add_reports(group: Group) -> None:
    """Add the verbs `report` and `study` to the bans."""
    report = group.add_verb(
        "report",
        _report,
        "Write the report of a ban: what it rests on, when it was in force, and what it did.",
        "ban report ghent tiktok --from 2026-03-01 --to 2026-09-01",
        "ban report ghent tiktok --from 2026-03-01 --to 2026-09-01 --format html -o report.html",
    )
    report.add_ban()
    study = group.add_verb(
        "study",
        _study,
        "Write the study of the services that an authority only monitors: the same as a report, for each of them.",
        "ban study brussels-city --from 2026-03-01 --to 2026-09-01",
        "ban study brussels-city --from 2026-03-01 --to 2026-09-01 --format html -o study.html",
        "ban study brussels-city --category ai --from 2026-03-01 --to 2026-09-01",
    )
    study.add_slug("authority")
    chosen = study.add_mutually_exclusive_group()
    chosen.add_argument(
        "--list", type=list_reference, metavar=LIST_METAVAR, help="only services of this prohibited list"
    )
    chosen.add_argument("--category", metavar="CATEGORY", help="only services of this category")
    for parser in (report, study):
        _add_options(parser)


def add_list_report(group: Group) -> None:
    """Add the verb `report` to the prohibited lists."""
    report = group.add_verb(
        "report",
        _list_report,
        "Write the report of a list: its versions, what the ban on each service did, and totals.",
        "prohibited-list report ghent prohibited-apps --from 2026-03-01 --to 2026-09-01",
        "prohibited-list report ghent/prohibited-apps --authority mechelen --from 2026-03-01 --to 2026-09-01",
    )
    report.add_list()
    report.add_slug("--authority", "whose bans from the list (default: those of the list's authority)")
    _add_options(report)


def _add_options(parser: Parser) -> None:
    parser.add_argument(
        "--from", dest="from_", required=True, metavar="DATE", help="first day, in the authority's time zone"
    )
    parser.add_argument("--to", required=True, metavar="DATE", help="last day, inclusive")
    parser.add_argument(
        "--interval",
        choices=words_of(Interval),
        metavar="INTERVAL",
        help="count queries by day, week or month (default: chosen by the length of the period)",
    )
    parser.add_argument(
        "--language",
        choices=words_of(Language),
        metavar="LANGUAGE",
        help="nl, fr, de or en (default: the authority's first of these, else en)",
    )
    parser.add_argument(
        "--format",
        choices=words_of(FileFormat),
        default=FileFormat.MARKDOWN,
        metavar="FORMAT",
        help="md, html (prints on A4) or json (default: md)",
    )
    parser.add_argument("--no-names", action="store_true", help="leave out the names of accounts")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write to this file, atomically (default: standard output)"
    )


def _report(client: Client, options: Options) -> Result:
    return _written(client, options, where_of(options.ban, "report"))


def _study(client: Client, options: Options) -> Result:
    chosen = given(options, "list", "category")
    return _written(client, options, path("authorities", options.authority, "study"), chosen)


def _list_report(client: Client, options: Options) -> Result:
    owner = options.authority or options.list.partition("/")[0]
    return _written(client, options, path("authorities", owner, "report"), {"list": options.list})


def _written(client: Client, options: Options, where: str, of: Body | None = None) -> Result:
    """Return the report, or write it to the file that --output names."""
    as_json = getattr(options, "json", False) and options.output is None
    query = {
        **(of or {}),
        "from": options.from_,
        "to": options.to,
        "interval": options.interval,
        "language": options.language,
        "format": FileFormat.JSON if as_json else options.format,
        "names": "false" if options.no_names else None,
    }
    content = b"".join(client.pieces(where, query))
    if options.output is None:
        text = content.decode()
        return Result(json.loads(content) if as_json else None, text.splitlines, raw=text)
    with write_atomically(options.output) as file:
        file.write(content)
    found = {"file": str(options.output), "bytes": len(content), "sha256": sha256(content).hexdigest()}
    return Result(found, lambda: _lines(options.output, content))


def _lines(target: Path, content: bytes) -> Iterator[str]:
    yield f"report written to {target}: {len(content)} bytes"
    yield f"SHA-256 {sha256(content).hexdigest()}"
