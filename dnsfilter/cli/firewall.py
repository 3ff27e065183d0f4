"""`dnsfilter firewall`: keep clients under a ban from using other resolvers, or print rules for another firewall."""

import argparse
import json
import os
import signal
import time
from ipaddress import ip_address
from threading import Event

from dnsfilter.cli.node_snapshot import local_acts, snapshot_of
from dnsfilter.cli.options import DONE, Commands, add_command, add_files, config_of, node_uid, store_of
from dnsfilter.config.endpoint import server_fault
from dnsfilter.config.node_config import Config, Endpoint
from dnsfilter.errors import ConfigError, Problem, UnavailableError
from dnsfilter.firewall.rule_set import FAMILIES, Surroundings, joined, rule_set
from dnsfilter.policy.model import ENCRYPTED_DNS, Address, Prefix
from dnsfilter.supervisor.snapshot_watch import PolicyFeed
from dnsfilter.telemetry import logs

SYNTAXES = ("nftables", "pf", "cisco", "fortinet")
BYTEDANCE = "tiktok"
"""The service whose catalogue entry has the prefixes of ByteDance."""


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_command(commands, "firewall", firewall, "keep clients under a ban from using other resolvers")
    add_files(command)
    ways = command.add_mutually_exclusive_group(required=True)
    ways.add_argument(
        "--watch", action="store_true", help="keep the nftables table inet dnsfilter in step with the bans"
    )
    ways.add_argument("--print", choices=SYNTAXES, dest="syntax", help="print the rules of now for a firewall")
    ways.add_argument(
        "--egress",
        action="store_true",
        help="let clients of [[egress.network]] connect only to addresses answered to them",
    )
    ways.add_argument("--egress-status", action="store_true", help="show open addresses and packets to others")
    command.add_argument("--json", action="store_true", help="with --egress-status: write JSON")
    command.add_argument(
        "--resolver",
        action="append",
        default=[],
        type=_address,
        metavar="ADDRESS",
        help="another address that clients may query: a second node, a domain controller (repeatable)",
    )
    command.add_argument(
        "--redirect", action="store_true", help="send queries for others to this resolver instead of refusing them"
    )
    command.add_argument(
        "--bytedance", action="store_true", help=f"also close the prefixes of ByteDance where {BYTEDANCE} is banned"
    )
    command.add_argument("--keep", action="store_true", help="with --watch or --egress: keep the table at the end")


def firewall(options: argparse.Namespace) -> int:
    """Keep a table until SIGTERM or SIGINT, print the rules, or show the state of egress networks."""
    config = config_of(options)
    if options.egress:
        return _follow_answers(options, config)
    if options.egress_status:
        return _show_egress(as_json=options.json)
    around = _surroundings(options, config)
    if options.watch:
        return _watch(options, config, around)
    if not around.resolvers:
        message = "the node listens on no address of its own: name those that clients query"
        raise ConfigError((Problem("--resolver", message),))
    return _print(options, config, around)


def _watch(options: argparse.Namespace, config: Config, around: Surroundings) -> int:
    from dnsfilter.firewall.keeper import Keeper
    from dnsfilter.firewall.nft_command import Nft

    logs.setup()
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    store, site = store_of(options, config), config.control_plane.site
    feed = PolicyFeed(store, site, node_dir=config.node_dir, read_only=True, trust_clock=config.trust_clock)
    try:
        Keeper(feed, Nft(), around).run(stopping, keep=options.keep)
    finally:
        feed.close()
    return DONE


def _follow_answers(options: argparse.Namespace, config: Config) -> int:
    """Open the addresses that the node on this machine answers. SIGHUP ends this and keeps the table."""
    from dnsfilter.firewall.egress_keeper import EgressKeeper, listener, run
    from dnsfilter.firewall.egress_rules import REMOVAL
    from dnsfilter.firewall.nft_library import NftLibrary
    from dnsfilter.worker.abstract_sockets import peer_uid

    if not config.egress.networks:
        NftLibrary().apply(REMOVAL)  # of a table that a restart has kept
        raise ConfigError((Problem("[egress]", "has no network: add [[egress.network]] with name and prefixes"),))
    logs.setup()
    stopping, kept = Event(), Event()
    if options.keep:
        kept.set()

    def stop(number: int, _frame: object) -> None:
        if number == signal.SIGHUP:
            kept.set()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    owners = {0, os.geteuid(), node_uid(options)}
    with listener(config.node_dir) as listening:
        keeper = EgressKeeper(config.egress, NftLibrary())
        run(keeper, listening, lambda peer: peer_uid(peer) in owners, stopping, kept)
    return DONE


def _show_egress(*, as_json: bool) -> int:
    from dnsfilter.firewall.egress_listing import statuses
    from dnsfilter.firewall.egress_rules import TABLE
    from dnsfilter.firewall.nft_library import NftLibrary

    listed = NftLibrary().listed(TABLE)
    if listed is None:
        raise UnavailableError("read egress rules: this machine has none: systemctl start dnsfilter-egress")
    states = statuses(listed)
    if as_json:
        print(json.dumps([state.value() for state in states]))
    else:
        print("".join(state.text() for state in states), end="")
    return DONE


def _print(options: argparse.Namespace, config: Config, around: Surroundings) -> int:
    from dnsfilter.firewall.other_firewalls import printed

    now = store_of(options, config).creation_time_s(int(time.time()))
    snapshot = snapshot_of(options, config, now, now, local_acts(options, config))
    rules = rule_set(snapshot, now, around.addresses)
    print(printed(options.syntax, rules, around, snapshot.revision), end="")
    return DONE


def _surroundings(options: argparse.Namespace, config: Config) -> Surroundings:
    own = [endpoint for endpoint in config.listen if not endpoint.address.is_loopback]
    resolvers = {endpoint.address for endpoint in own if not endpoint.address.is_unspecified} | {*options.resolver}
    redirect = _redirect(own) if options.redirect else ()
    return Surroundings(tuple(sorted(resolvers, key=_order)), _addresses(bytedance=options.bytedance), redirect)


def _redirect(own: list[Endpoint]) -> tuple[Endpoint, ...]:
    """Return the endpoint of each family to which queries are redirected."""
    firsts = (next((each for each in own if each.address.version == version), None) for version in FAMILIES)
    found = tuple(endpoint for endpoint in firsts if endpoint is not None)
    if not found:
        raise ConfigError((Problem("--redirect", "the node listens only on loopback: set listen"),))
    return found


def _addresses(*, bytedance: bool) -> dict[str, tuple[Prefix, ...]]:
    """Return the addresses of services in the catalogue that are closed where the service is banned."""
    from blocklists.catalogue import load_catalogue

    catalogue = load_catalogue()
    closed = (ENCRYPTED_DNS, BYTEDANCE) if bytedance else (ENCRYPTED_DNS,)
    return {slug: joined(each.prefix for each in catalogue.entry(slug).addresses) for slug in closed}


def _address(text: str) -> Address:
    address = ip_address(text)
    if (fault := server_fault(address)) is not None:
        raise argparse.ArgumentTypeError(f"{text} {fault}")
    return address


def _order(address: Address) -> tuple[int, int]:
    return address.version, int(address)
