"""dnsfilterctl policy: the policy as a file."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from api.ctl.command import Group, Options, Result
from api.ctl.display.act_lines import act_lines
from api.ctl.display.progress import Progress, with_progress
from api.ctl.exit_codes import DONE, FOUND, WRONG_INPUT, WrongInput
from api.ctl.input_files import CountedFile, read_text, write_atomically
from api.ctl.policy.ban_lines import warning_notes
from api.ctl.remote.client import Client, path
from api.policies.schemas import ActRead, AppliedRead, DifferenceRead

MAX_BYTES = 8 * 1024 * 1024
"""Maximum size of a policy file; the API's limit."""


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("policy")
    _add_export(group)
    for name, run, summary in (
        (
            "diff",
            _diff,
            "Show what applying a policy file would do. Exit code 1 for differences, 2 for faults that prevent it.",
        ),
        ("apply", _apply, "Apply a policy file in one revision, or do nothing. Never rewrites what has begun."),
    ):
        parser = group.add_verb(name, run, summary, f"policy {name} policy.toml")
        parser.add_argument("file", metavar="FILE", help="- is standard input")


def _add_export(group: Group) -> None:
    export = group.add_verb(
        "export",
        _export,
        "Export the policy as a file, or write an archive of decisions, acts and reports.",
        "policy export policy.toml",
        "policy export --archive dnsfilter-2026.zip",
    )
    export.add_argument(
        "file", nargs="?", metavar="FILE", help="policy file to write, atomically (default: standard output)"
    )
    export.add_argument(
        "--archive",
        type=Path,
        metavar="ZIP",
        help="write an archive for long-term storage, with digests, instead of the policy",
    )
    export.add_argument(
        "--names", action="store_true", help="include names of accounts in the archive (default: numbers only)"
    )


def _export(client: Client, options: Options) -> Result:
    if options.archive is not None:
        if options.file is not None:
            raise WrongInput("give either a policy file or --archive, not both")
        return _archive(client, options)
    if options.names:
        raise WrongInput("--names needs --archive")
    text = client.text(path("policy"))
    if options.file is None:
        return Result({"policy": text}, text.splitlines, raw=text)
    with write_atomically(Path(options.file)) as file:
        file.write(text.encode())
    return Result({"file": options.file}, lambda: [f"policy written to {options.file}"])


def _archive(client: Client, options: Options) -> Result:
    target: Path = options.archive
    query = {"names": "true"} if options.names else {}
    with write_atomically(target) as file:
        counted = CountedFile(file)
        for piece in with_progress(client.pieces(path("archive"), query), "archive"):
            counted.write(piece)
    found = {"file": str(target), "bytes": counted.size, "sha256": counted.digest}
    lines = [f"archive written to {target}: {counted.size} bytes", f"SHA-256 {counted.digest}"]
    return Result(found, lambda: lines)


def _diff(client: Client, options: Options) -> Result:
    text = read_text(options.file, MAX_BYTES)
    with Progress() as progress:
        progress.say("comparing")
        found = client.send_text(DifferenceRead, path("policy", "diff"), text)
    faults = tuple(client.fault(fault.location, fault.message) for fault in found.faults)
    notes = *faults, *warning_notes(found.warnings)
    code = WRONG_INPUT if faults else FOUND if found.acts else DONE
    return Result(found, lambda: _lines(found.acts, bool(faults)), code, notes)


def _apply(client: Client, options: Options) -> Result:
    text = read_text(options.file, MAX_BYTES)
    with Progress() as progress:
        progress.say("applying")
        done = client.send_text(AppliedRead, path("policy", "apply"), text)
    return Result(done, lambda: _applied(done), notes=warning_notes(done.warnings))


def _lines(acts: Sequence[ActRead], faulty: bool) -> Iterator[str]:
    for act in acts:
        yield from act_lines(act)
    if not acts and not faulty:
        yield "no differences"


def _applied(done: AppliedRead) -> Iterator[str]:
    for act in done.acts:
        yield from act_lines(act)
    yield (
        f"applied: revision {done.revision}"
        if done.acts
        else f"no changes: the policy already matches, revision {done.revision}"
    )
