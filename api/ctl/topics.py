"""The commands, in the groups of the help text: each with the module that defines it, and its summary.

The parser loads only the modules that a command line needs. So `dnsfilterctl --help` loads none of them.
"""

from collections.abc import Mapping
from typing import NamedTuple

from dnsfilter.shell_completion import SUMMARY


class Command(NamedTuple):
    """A command: its module below `api.ctl`, and its summary, which begins with a sentence for lists."""

    module: str
    summary: str


TOPICS: Mapping[str, Mapping[str, Command]] = {
    "every day": {
        "explain": Command("explain.explain", "Show the answer that a client gets for a name, and why."),
        "who": Command("explain.explain", "Show the authority of an address, its contact, and the bans that apply."),
        "ban": Command("policy.bans", "Switch, adopt and renew bans on services."),
        "name": Command("policy.names", "Refuse or free one name, and list those."),
        "suspend": Command(
            "policy.suspensions",
            "Suspend an authority, or all. Nothing is refused during a suspension. "
            "It ends by itself, after four hours at most. `suspend ghent` means `suspend start ghent`.",
        ),
        "status": Command("operation.status", "Show whether the control plane is ready. Exit code 1 if it is not."),
    },
    "policy": {
        "authority": Command("policy.authorities", "Manage public authorities."),
        "service": Command("policy.services", "Show services that can be banned, and manage an authority's own ones."),
        "update": Command("operation.updates", "Look at new names of services, and accept, reject or object to them."),
        "catalogue": Command("operation.catalogues", "Show the catalogue in force, and load one between releases."),
        "feed": Command("operation.feeds", "Manage feeds: the lists from which names of own services come."),
        "request": Command("policy.requests", "Manage acts that wait for an approver, because less would be refused."),
        "binding": Command("policy.bindings", "Manage bindings, by which a ban also applies in another authority."),
        "prohibited-list": Command(
            "lists.prohibited_lists", "Manage prohibited lists: formal decisions that ban many services at once."
        ),
        "list-link": Command(
            "lists.list_links", "Manage links of prohibited lists, by which a list reaches another authority."
        ),
        "exemption": Command("policy.exemptions", "Manage exemptions, which remove a ban from named ranges."),
        "policy": Command("policy.policies", "Export, compare and apply the policy as a file."),
        "revision": Command("policy.revisions", "List and compare revisions of the policy, and roll back."),
    },
    "network": {
        "range": Command("network.ranges", "Manage ranges: the networks registered to authorities."),
        "site": Command("network.ranges", "Manage sites: networks with an address plan of their own."),
        "fleet": Command("network.fleets", "Manage fleets: devices outside, which ask by a name over DoT or DoH."),
        "space": Command("network.spaces", "Manage spaces: prefixes in which an authority registers ranges itself."),
        "coverage": Command(
            "operation.coverage",
            "Show when each range of an authority last asked, and how many queries an hour it usually sends.",
        ),
        "capture": Command("operation.captures", "Record the queries of a range on its nodes, for a fault."),
    },
    "people": {
        "login": Command(
            "people.login",
            "Check a token and store it for this control plane. "
            "Reads --token-file; without it asks on a terminal without echo, or reads standard input.",
        ),
        "logout": Command(
            "people.login",
            "Remove the stored token of this control plane. The token stays valid until `token revoke`.",
        ),
        "whoami": Command("people.login", "Show your account, your token and its roles."),
        "console": Command("people.sign_in_link", "Sign in to the console, the pages of the control plane."),
        "account": Command("people.accounts", "Manage accounts: the persons and programs that may act."),
        "grant": Command("people.grants", "Manage grants: the roles of accounts."),
        "token": Command("people.tokens", "Manage tokens: your own and those of other accounts."),
        "failures": Command("people.failures", "Inspect authentication failures."),
    },
    "machines": {
        "node": Command("network.nodes", "Manage nodes: the machines that answer queries."),
        "backup": Command(
            "operation.backups",
            "Back up the control plane to a file. Includes policy, accounts, hashes of tokens and the audit log.",
        ),
        "restore": Command(
            "operation.backups",
            "Restore a control plane from a backup. Runs on this machine, which must not have a control plane yet.",
        ),
        "version": Command("operation.status", "Show the versions of this program and of the API."),
        "completion": Command("operation.completion", f"{SUMMARY[0].upper()}{SUMMARY[1:]}."),
        "help": Command("help_topics", "Show a topic, or the help of a command."),
    },
    "records": {
        "trace": Command(
            "explain.trace",
            "Show the answer that a client got at a past time, and the decision, ban, acts and lists behind it.",
        ),
        "audit": Command("operation.audit", "List acts, and export and verify the audit log."),
        "peer": Command("operation.peers", "Hold the checkpoints of other installations, as they publish them."),
        "usage": Command("operation.usage_counts", "Show and erase what was counted for an authority's clients."),
        "notice": Command("operation.notices", "Inspect notices that authorities get by mail."),
        "webhook": Command("operation.webhooks", "Manage webhooks: receivers of acts and notices by HTTP."),
    },
}

COMMANDS: Mapping[str, Command] = {name: command for group in TOPICS.values() for name, command in group.items()}
