"""Commands on objects with a number: bindings, exemptions, grants, requests, suspensions."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic

from api.ctl.command import Body, Options, Result, Run, given
from api.ctl.display.account_names import Accounts
from api.ctl.display.shown_names import Names
from api.ctl.remote.answer_reading import Found
from api.ctl.remote.client import Client, path


@dataclass(frozen=True, slots=True)
class Numbered(Generic[Found]):
    """One kind of numbered object: its schema, its path below `/v1/`, and the lines that show it."""

    schema: type[Found]
    where: str
    lines: Callable[[Found, Names, Accounts], Iterable[str]]

    def show(self, client: Client, options: Options) -> Result:
        """Show one object."""
        return self.shown(client, client.get(self.schema, path(self.where, options.number)))

    def make(self, client: Client, body: Body) -> Result:
        """Create an object."""
        return self.shown(client, client.send(self.schema, "POST", path(self.where), body))

    def act(self, act: str, *fields: str) -> Run:
        """Return a command that performs an act on one object. `fields` are the options to send."""

        def run(client: Client, options: Options) -> Result:
            body = given(options, *fields) if fields else None
            return self.shown(client, client.send(self.schema, "POST", path(self.where, options.number, act), body))

        return run

    def shown(self, client: Client, found: Found) -> Result:
        """Return the result that shows an object."""
        notes = tuple(getattr(found, "notes", None) or ())
        return Result(found, lambda: self.lines(found, Names(client), Accounts(client)), notes=notes)
