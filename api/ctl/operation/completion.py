"""dnsfilterctl completion: print a completion script for a shell."""

from api.ctl.command import Group, Options, Result, Verb
from api.ctl.remote.client import Client
from dnsfilter.shell_completion import SHELLS, completion_script


def add(groups: Group) -> None:
    """Add the command."""
    verb = Verb(_completion, needs_token=False, local=True)
    parser = groups.add_command("completion", verb, "completion bash")
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=" or ".join(SHELLS))


def _completion(_client: Client, options: Options) -> Result:
    # Imported here, because the parser imports this module.
    from api.ctl.parser import fresh_parser

    script = completion_script(fresh_parser(), options.shell)
    return Result({"shell": options.shell, "script": script}, script.splitlines, raw=f"{script}\n")
