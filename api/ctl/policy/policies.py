"""dnsfilterctl apply, diff and export: the policy as a file."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from api.ctl.command import Group, Options, Result, add_verb
from api.ctl.display.act_lines import act_lines
from api.ctl.display.progress import Progress, shown
from api.ctl.exit_codes import DONE, FOUND, WRONG_INPUT, WrongInput
from api.ctl.input_files import Counted, read_text, writing
from api.ctl.policy.bans import warning_notes
from api.ctl.remote.client import Client, path
from api.policies.schemas import ActRead, AppliedRead, DifferenceRead

MAX_BYTES = 8 * 1024 * 1024
"""As much as the API takes."""


def add(groups: Group) -> None:
    """Add the commands."""
    _add_export(groups)
    diff = add_verb(
        groups,
        "diff",
        _diff,
        "tell what applying a policy file would do: exit code 1 for differences, 2 where something stands against it",
        "diff policy.toml",
    )
    diff.add_argument("file", metavar="FILE", help="- is standard input")
    apply = add_verb(
        groups,
        "apply",
        _apply,
        "do all that a policy file asks, or nothing; what has begun is never rewritten",
        "apply policy.toml",
    )
    apply.add_argument("file", metavar="FILE", help="- is standard input")


def _add_export(groups: Group) -> None:
    export = add_verb(
        groups,
        "export",
        _export,
        "print the policy as a file, or write it to one; or write an archive of decisions, acts and reports",
        "export policy.toml",
        "export --archive dnsfilter-2026.zip",
    )
    export.add_argument("file", nargs="?", metavar="FILE", help="written whole or not at all (standard output)")
    export.add_argument(
        "--archive", type=Path, metavar="ZIP", help="in place of the policy: what an archivist keeps, with digests"
    )
    export.add_argument(
        "--names", action="store_true", help="in the archive, say what the accounts are called (numbers only)"
    )


def _export(client: Client, options: Options) -> Result:
    if options.archive is not None:
        if options.file is not None:
            raise WrongInput("name one file: of the policy, or with --archive of an archive")
        return _archive(client, options)
    if options.names:
        raise WrongInput("--names is for --archive")
    text = client.text(path("policy"))
    if options.file is None:
        return Result({"policy": text}, text.splitlines, raw=text)
    with writing(Path(options.file)) as file:
        file.write(text.encode())
    return Result({"file": options.file}, lambda: [f"policy written to {options.file}"])


def _archive(client: Client, options: Options) -> Result:
    target: Path = options.archive
    query = {"names": "true"} if options.names else {}
    with writing(target) as file:
        counted = Counted(file)
        for piece in shown(client.pieces(path("archive"), query), "archive"):
            counted.write(piece)
    found = {"file": str(target), "octets": counted.octets, "sha256": counted.digest}
    lines = [f"archive written to {target}: {counted.octets} octets", f"SHA-256 {counted.digest}"]
    return Result(found, lambda: lines)


def _diff(client: Client, options: Options) -> Result:
    text = read_text(options.file, MAX_BYTES)
    with Progress() as progress:
        progress.say("comparing")
        found = client.send_text(DifferenceRead, path("policy", "diff"), text)
    faults = tuple(client.fault(fault.place, fault.message) for fault in found.faults)
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
        f"applied: revision {done.revision}" if done.acts else f"nothing to do: revision {done.revision} says the same"
    )
