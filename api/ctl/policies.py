"""dnsfilterctl apply, diff and export: the policy as a file."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from api.ctl.acts import act_lines
from api.ctl.answers import Act, Applied, Difference
from api.ctl.client import Client, path
from api.ctl.commands import Group, Options, Result, add_verb
from api.ctl.errors import DONE, FOUND, WRONG_INPUT, WrongInput

MAX_OCTETS = 8 * 1024 * 1024
"""As much as the API takes."""


def add(groups: Group) -> None:
    """Add the commands."""
    export = add_verb(groups, "export", _export, "print the policy as a file, or write it to one", "export policy.toml")
    export.add_argument("file", nargs="?", metavar="FILE", help="written whole or not at all (standard output)")
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


def _export(client: Client, options: Options) -> Result:
    text = client.text(path("policy"))
    if options.file is None:
        return Result({"policy": text}, text.splitlines, raw=text)
    _write(Path(options.file), text)
    return Result({"file": options.file}, lambda: [f"policy written to {options.file}"])


def _diff(client: Client, options: Options) -> Result:
    found = client.send_text(Difference, path("policy", "diff"), _read(options.file))
    faults = tuple(f"{fault.place}: {fault.message}" for fault in found.faults)
    code = WRONG_INPUT if faults else FOUND if found.acts else DONE
    return Result(found.model_dump(mode="json"), lambda: _lines(found.acts, bool(faults)), code, faults)


def _apply(client: Client, options: Options) -> Result:
    done = client.send_text(Applied, path("policy", "apply"), _read(options.file))
    return Result(done.model_dump(mode="json"), lambda: _applied(done))


def _lines(acts: Sequence[Act], faulty: bool) -> Iterator[str]:
    for act in acts:
        yield from act_lines(act)
    if not acts and not faulty:
        yield "no differences"


def _applied(done: Applied) -> Iterator[str]:
    for act in done.acts:
        yield from act_lines(act)
    yield (
        f"applied: revision {done.revision}" if done.acts else f"nothing to do: revision {done.revision} says the same"
    )


def _read(name: str) -> str:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_OCTETS + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_OCTETS + 1)
        text = data.decode()
    except OSError as error:
        raise WrongInput(f"cannot read {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise WrongInput(f"cannot read {name}: not UTF-8 at octet {error.start}") from error
    if len(data) > MAX_OCTETS:
        raise WrongInput(f"cannot read {name}: it is larger than {MAX_OCTETS} octets")
    return text


def _write(target: Path, text: str) -> None:
    """Beside first, then renamed: a file that is there is replaced whole, or stays. A device is written to."""
    try:
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8")
            return
        target = target.resolve()
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        descriptor, beside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), mode)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(beside).replace(target)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise WrongInput(f"cannot write {target}: {error.strerror}") from error


def _umask() -> int:
    held = os.umask(0o077)
    os.umask(held)
    return held
