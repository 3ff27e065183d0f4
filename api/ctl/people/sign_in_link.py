"""dnsfilterctl console: a link that signs you in to the console."""

import os
import sys
import webbrowser
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from api.accounts.schemas import SignInLinkMade
from api.ctl.command import Group, Options, Result
from api.ctl.display.local_times import at_words
from api.ctl.exit_codes import WrongInput
from api.ctl.remote.client import UNIX, Client, path

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def add(groups: Group) -> None:
    """Add the command."""
    command = groups.add_command("console", _console, "console")
    command.add_argument("--print", dest="only_print", action="store_true", help="print the link, and open no browser")


def _console(client: Client, options: Options) -> Result:
    if client.url.startswith(UNIX):
        raise WrongInput("a browser needs a URL, not a socket. Give --api https://…, the address of the control plane.")
    made = client.send(SignInLinkMade, "POST", path("self", "sign-in-links"))
    link = shown_url(client.url) + made.path
    opened = not options.only_print and has_display(os.environ) and sys.stdout.isatty() and webbrowser.open(link)
    return Result({"url": link, "expires": made.expires}, lambda: _lines(link, made, opened=opened))


def shown_url(url: str) -> str:
    """Return the URL for a browser. Passkeys need a name, so loopback addresses become `localhost`."""
    parts = urlsplit(url)
    if parts.hostname not in ("127.0.0.1", "::1"):
        return url
    return parts._replace(netloc=f"localhost:{parts.port}" if parts.port else "localhost").geturl()


def has_display(environ: Mapping[str, str]) -> bool:
    """Return whether a window can be shown here."""
    return sys.platform == "darwin" or any(environ.get(name) for name in _DISPLAYS)


def _lines(link: str, made: SignInLinkMade, *, opened: bool) -> Iterator[str]:
    yield "opened in your browser" if opened else "open this link in your browser:"
    yield f"  {link}"
    yield f"It works once, until {at_words(made.expires)}."
