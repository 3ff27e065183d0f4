"""The `dnsfilterctl` command.

Exit codes: 0 done, 1 a check found something, 2 wrong input, 3 no permission, 4 not reachable, 5 waits for an approver.
"""

import io
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from api.ctl.command import PROGRAM, Options, Result, Verb
from api.ctl.display.safe_text import dump_json, escape, lines_of, print_line
from api.ctl.exit_codes import DONE, INTERRUPTED, CtlError, Denied, TokenRejected, WrongInput
from api.ctl.parser import parser_for
from api.ctl.remote.fault_locations import location_translator
from api.ctl.remote.token_file import DEFAULT_URL, Token, exposure_warning, load_token

URL_VARIABLE = "DNSFILTER_URL"
CA_VARIABLE = "DNSFILTER_CA"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # If a terminal cannot show a character, print its escape instead of a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    given = sys.argv[1:] if arguments is None else arguments
    options = _parsed(given)
    try:
        code = _run(options, os.environ)
        sys.stdout.flush()
    except CtlError as error:
        _say(f"{PROGRAM}: {error.lines[0]}", *error.lines[1:])
        code = error.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader of the pipe has closed it; keep the interpreter from flushing again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = DONE
    return code


def _parsed(arguments: Sequence[str]) -> Options:
    """Parse a command line. An unknown argument exits with the usage of its command, not of the program."""
    options, unknown = parser_for(arguments).parse_known_args(arguments)  # type: ignore[no-untyped-call]
    if unknown:
        options.command.error(f"unrecognized arguments: {' '.join(unknown)}")
    return cast("Options", options)


def _run(options: Options, environ: Mapping[str, str]) -> int:
    # Imported here, because help and wrong input need neither HTTP nor pydantic.
    from api.ctl.remote.client import Client, WaitsForApproval

    verb: Verb = options.verb
    if verb.local:
        # Ignore the environment: the command asks no API.
        options.api, options.ca, environ = DEFAULT_URL, None, {}
    url = _url(getattr(options, "api", None), environ)
    token: Token | None = None
    if verb.needs_token or verb.takes_token:
        token = _token(verb, options, environ, url)
    if token is not None:
        _warn(token.warning, exposure_warning(url))
    elif verb.asks_token:
        _warn(exposure_warning(url))
    ca = getattr(options, "ca", None) or environ.get(CA_VARIABLE) or None
    try:
        with Client(url, token.value if token else None, ca, location_translator(options)) as client:
            try:
                result = verb.run(client, options)
            except WaitsForApproval as waits:
                from api.ctl.policy.requests import waiting_result

                result = waiting_result(waits.found)
            _print(result, as_json=getattr(options, "json", False))
    except TokenRejected as error:
        if token is None:
            raise
        raise TokenRejected(*error.lines, f"The token comes from {token.source}. {token.remedy}") from error
    return result.code


def _token(verb: Verb, options: Options, environ: Mapping[str, str], url: str) -> Token | None:
    try:
        return load_token(getattr(options, "token_file", None), environ, url)
    except Denied:
        if verb.needs_token or hasattr(options, "token_file"):
            raise
        return None


def _print(result: Result, *, as_json: bool) -> None:
    if result.stream is not None:
        _print_stream(result.stream)
    elif as_json:
        from pydantic import BaseModel

        data = result.data
        print(dump_json(data.model_dump(mode="json") if isinstance(data, BaseModel) else data))
    elif result.raw is not None and not sys.stdout.isatty():
        sys.stdout.write(result.raw)
    else:
        for line in result.lines():
            print_line(line)
    _say(*result.notes)


def _print_stream(pieces: Iterable[bytes]) -> None:
    if sys.stdout.isatty():
        for line in lines_of(pieces):
            print(escape(line.decode(errors="replace").removesuffix("\n")))
        return
    try:
        sys.stdout.flush()
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise WrongInput(f"cannot write to standard output: {error.strerror}") from error


def _url(option: str | None, environ: Mapping[str, str]) -> str:
    from api.ctl.remote.client import parse_url

    try:
        return parse_url(option or environ.get(URL_VARIABLE) or DEFAULT_URL)
    except ValueError as error:
        raise WrongInput(str(error)) from error


def _warn(*warnings: str | None) -> None:
    _say(*(f"{PROGRAM}: warning: {warning}" for warning in warnings if warning))


def _say(*lines: str) -> None:
    for line in lines:
        print(escape(line), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
