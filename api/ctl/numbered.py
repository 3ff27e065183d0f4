"""Commands about what has a number: bindings, exemptions, grants, requests, suspensions."""

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
    """How those of one kind are asked for below `/v1/` and the `where`, and shown."""

    schema: type[Found]
    where: str
    lines: Callable[[Found, Names, Accounts], Iterable[str]]

    def show(self, client: Client, options: Options) -> Result:
        """Show one."""
        return self.shown(client, client.get(self.schema, path(self.where, options.number)))

    def make(self, client: Client, body: Body) -> Result:
        """Make one."""
        return self.shown(client, client.send(self.schema, "POST", path(self.where), body))

    def act(self, act: str, *fields: str) -> Run:
        """Return the command that does an act on one; `fields` are the options that the API is sent."""

        def run(client: Client, options: Options) -> Result:
            body = given(options, *fields) if fields else None
            return self.shown(client, client.send(self.schema, "POST", path(self.where, options.number, act), body))

        return run

    def shown(self, client: Client, found: Found) -> Result:
        """Return what shows one."""
        return Result(found, lambda: self.lines(found, Names(client), Accounts(client)))
