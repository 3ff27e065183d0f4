"""dnsfilterctl fleet profile: what devices need to ask by a fleet's name."""

from base64 import b64encode
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from api.ctl.command import Group, Options, Result
from api.ctl.exit_codes import WrongInput
from api.ctl.input_files import write_atomically
from api.ctl.network.device_profiles import Resolver, android_lines, apple_profile, intune_lines, windows_lines
from api.ctl.network.named_fleets import fleet_of, token_of
from api.ctl.remote.client import Client
from dnsfilter.config.values import read_host_name

KINDS = ("apple", "android", "windows", "intune")


def add_profile(group: Group) -> None:
    """Add the verb `profile`."""
    command = group.add_verb(
        "profile",
        _profile,
        "Write what devices need to ask by the fleet's newest name. It holds the token: hand it out like a key.",
        'fleet profile ghent "phones of staff" --for apple --server dns.example.org -o phones.mobileconfig',
        'fleet profile ghent "phones of staff" --for android --server dns.example.org',
        'fleet profile ghent "laptops of staff" --for windows --server dns.example.org --address 192.0.2.53',
    )
    command.add_slug("authority")
    command.add_argument("fleet", metavar="FLEET", help="label or number of the fleet")
    command.add_argument(
        "--for", dest="kind", choices=KINDS, required=True, metavar="KIND", help=f"devices: {', '.join(KINDS)}"
    )
    command.add_argument("--server", required=True, metavar="NAME", help="the nodes' name, such as dns.example.org")
    command.add_argument(
        "--address", action="append", default=[], metavar="ADDRESS", help="an address of a node; may be repeated"
    )
    command.add_argument("--dot", action="store_true", help="apple: DNS over TLS instead of DNS over HTTPS")
    command.add_argument("--sign-certificate", metavar="FILE", help="apple: certificate in PEM, with its chain")
    command.add_argument("--sign-key", metavar="FILE", help="apple: private key of the certificate in PEM")
    command.add_argument("-o", "--output", metavar="FILE", help="file to write (default: standard output)")


def _profile(client: Client, options: Options) -> Result:
    found = fleet_of(client, options.authority, options.fleet)
    resolver = Resolver(found.label, token_of(found), _server(options.server), _addresses(options.address))
    if options.kind == "windows" and not resolver.addresses:
        raise WrongInput("--for windows needs --address: Windows chooses a server by its address. Give each node's")
    if (options.sign_certificate is None) != (options.sign_key is None):
        raise WrongInput("give both --sign-certificate and --sign-key, or neither")
    match options.kind:
        case "apple":
            return _written(options, _apple(options, resolver))
        case "android":
            lines = list(android_lines(resolver))
        case "windows":
            lines = list(windows_lines(resolver))
        case _:
            lines = list(intune_lines(resolver))
    return _written(options, ("\n".join(lines) + "\n").encode())


def _apple(options: Options, resolver: Resolver) -> bytes:
    profile = apple_profile(resolver, dot=options.dot)
    if options.sign_key is None:
        return profile
    # Imported here: other commands do not wait for the library.
    from api.ctl.network.profile_signature import sign_profile

    return sign_profile(profile, Path(options.sign_certificate), Path(options.sign_key))


def _written(options: Options, content: bytes) -> Result:
    if options.output is None and getattr(options, "json", False):
        return Result({"profile_base64": b64encode(content).decode()}, lambda: ())
    if options.output is None:
        return Result({}, lambda: (), stream=[content])
    with write_atomically(Path(options.output), 0o600) as file:
        file.write(content)
    return Result({"written": options.output}, lambda: [f"wrote {options.output}"])


def _server(text: str) -> str:
    try:
        return read_host_name(text)
    except ValueError as error:
        raise WrongInput(f"--server: {error}") from error


def _addresses(texts: list[str]) -> tuple[IPv4Address | IPv6Address, ...]:
    def parsed() -> Iterator[IPv4Address | IPv6Address]:
        for text in texts:
            try:
                yield ip_address(text)
            except ValueError as error:
                raise WrongInput(f'--address: "{text}" is not an IP address') from error

    return tuple(parsed())
