"""The commands by topic: the module that defines them, and their summaries.

The parser loads only the topics that a command line names. So `dnsfilterctl --help` loads none of them.
"""

from collections.abc import Mapping

from dnsfilter.shell_completion import SUMMARY

TOPICS: Mapping[str, Mapping[str, str]] = {
    "people.login": {
        "login": "Check a token and store it for this control plane. "
        "Reads --token-file; without it asks on a terminal without echo, or reads standard input.",
        "logout": "Remove the stored token of this control plane. The token stays valid until `token revoke`.",
        "whoami": "Show your account, your token and its roles.",
    },
    "policy.authorities": {
        "authority": "Manage public authorities.",
    },
    "network.ranges": {
        "range": "Manage ranges: the networks registered to authorities.",
        "site": "Manage sites: networks with an address plan of their own.",
    },
    "network.spaces": {
        "space": "Manage spaces: prefixes in which an authority registers ranges itself.",
    },
    "policy.services": {
        "service": "Inspect the catalogue of services that can be banned.",
    },
    "policy.bans": {
        "ban": "Manage bans on services.",
    },
    "explain.reports": {
        "study": "Write the study of the services that an authority only monitors: the same as a report, for each of "
        "them.",
    },
    "policy.requests": {
        "request": "Manage acts that wait for an approver, because less would be refused.",
    },
    "policy.bindings": {
        "binding": "Manage bindings, by which a ban also applies in another authority.",
    },
    "policy.exemptions": {
        "exemption": "Manage exemptions, which remove a ban from named ranges.",
    },
    "policy.suspensions": {
        "suspend": "Suspend filtering for an authority, or for everybody. Ends by itself, after four hours at most.",
        "suspension": "Manage suspensions, during which nothing is refused for the suspended authority, or for "
        "everybody.",
    },
    "explain.explain": {
        "explain": "Show the answer that a client gets for a name, and why.",
        "who": "Show the authority of an address, its contact, and the bans that apply.",
    },
    "explain.trace": {
        "trace": "Show the answer that a client got at a past time, and the decision, ban, acts and lists behind it.",
    },
    "policy.policies": {
        "export": "Export the policy as a file, or write an archive of decisions, acts and reports.",
        "diff": "Show what applying a policy file would do. Exit code 1 for differences, 2 for faults that prevent it.",
        "apply": "Apply a policy file in one revision, or do nothing. Never rewrites what has begun.",
    },
    "policy.revisions": {
        "revision": "List and compare revisions of the policy, and roll back.",
    },
    "operation.usage_counts": {
        "usage": "Show and erase what was counted for an authority's clients.",
    },
    "operation.captures": {
        "capture": "Record the queries of a range on its nodes, for a fault.",
    },
    "operation.coverage": {
        "coverage": "Show when each range of an authority last asked, and how many queries an hour it usually sends.",
    },
    "operation.audit": {
        "audit": "List acts, and export and verify the audit log.",
    },
    "operation.notices": {
        "notice": "Inspect notices that authorities get by mail.",
    },
    "operation.webhooks": {
        "webhook": "Manage webhooks: receivers of acts and notices by HTTP.",
    },
    "people.accounts": {
        "account": "Manage accounts: the persons and programs that may act.",
    },
    "people.grants": {
        "grant": "Manage grants: the roles of accounts.",
    },
    "people.tokens": {
        "token": "Manage tokens: your own and those of other accounts.",
    },
    "people.failures": {
        "failures": "Inspect authentication failures.",
    },
    "operation.backups": {
        "backup": "Back up the control plane to a file. Includes policy, accounts, hashes of tokens and the audit log.",
        "restore": "Restore a control plane from a backup. "
        "Runs on this machine, which must not have a control plane yet.",
    },
    "network.nodes": {
        "node": "Manage nodes: the machines that answer queries.",
    },
    "operation.status": {
        "version": "Show the versions of this program and of the API.",
        "status": "Show whether the control plane is ready. Exit code 1 if it is not.",
    },
    "operation.completion": {
        "completion": f"{SUMMARY[0].upper()}{SUMMARY[1:]}.",
    },
}
"""Summaries of commands by module below `api.ctl`, in the order of the help text."""

SUMMARIES: Mapping[str, str] = {name: text for commands in TOPICS.values() for name, text in commands.items()}
