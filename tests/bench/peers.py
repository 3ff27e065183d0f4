"""The configuration of each server for the same policy: refuse listed names to the clients of some ranges.

Each server uses its own best means. A server that cannot answer REFUSED for a list of names answers NXDOMAIN. A server
without ranges refuses the names to everybody. No server validates. Each forwards all other names to the one upstream.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.cases import Encryption
from tests.bench.large import name_of, prefix_of
from tests.support.components import component


@dataclass(frozen=True, slots=True)
class Setting:
    """The policy of a server: it lists the names from `name_of(0)` on and serves the ranges from `prefix_of(0)` on."""

    directory: Path
    port: int
    status_port: int
    upstream_ports: tuple[int, ...]
    names: int
    ranges: int
    workers: int
    connections: int
    tls_port: int = 0
    encryption: Encryption = ""

    @property
    def certificate(self) -> Path:
        """Return the certificate of `tls_port`."""
        return self.directory / "certificate.pem"

    @property
    def key(self) -> Path:
        """Return its key."""
        return self.directory / "key.pem"

    @property
    def upstream_port(self) -> int:
        """Return the port of the only upstream."""
        (port,) = self.upstream_ports
        return port

    def prefixes(self) -> list[str]:
        """Return the prefixes of the ranges."""
        return [prefix_of(number) for number in range(self.ranges)]

    def write(self, name: str, text: str) -> Path:
        """Write a file in the server's directory. Return its path."""
        path = self.directory / name
        path.write_text(text)
        return path


@dataclass(frozen=True, slots=True)
class Command:
    """A server to start."""

    words: tuple[str, ...]
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Peer:
    """A server to compare with. `command` writes its files."""

    name: str
    command: Callable[[Setting], Command]
    many_workers: bool = True
    many_connections: bool = True
    failover: bool = False
    encryption: bool = False


def _command(program: str, *arguments: object) -> Command:
    found = component(program)
    return Command((str(found.path), *map(str, arguments)), found.env)


def _unbound(setting: Setting) -> Command:
    listed = "".join(
        f'local-zone: "{name}." always_refuse\nlocal-zone-tag: "{name}." "banned"\n'
        for name in map(name_of, range(setting.names))
    )
    ranges = "".join(
        f'access-control: {prefix} allow\naccess-control-tag: {prefix} "banned"\n' for prefix in setting.prefixes()
    )
    kind = "https" if setting.encryption == "doh" else "tls"
    tls = f"interface: 127.0.0.1@{setting.tls_port}\n{kind}-port: {setting.tls_port}\n"
    tls += f'tls-service-key: "{setting.key}"\ntls-service-pem: "{setting.certificate}"\n'
    forward = "\n".join(f"forward-addr: 127.0.0.1@{port}" for port in setting.upstream_ports)
    config = f"""\
server:
interface: 127.0.0.1
{tls if setting.encryption else ""}port: {setting.port}
directory: "{setting.directory}"
username: ""
chroot: ""
pidfile: ""
use-syslog: no
num-threads: {setting.workers}
so-reuseport: yes
module-config: "iterator"
do-not-query-localhost: no
do-ip6: no
so-rcvbuf: 0
incoming-num-tcp: {setting.connections}
define-tag: "banned"
{ranges}{listed}
remote-control:
control-enable: no
forward-zone:
name: "."
{forward}
"""
    return _command("unbound", "-d", "-c", setting.write("unbound.conf", config))


def _dnsdist(setting: Setting) -> Command:
    names = setting.write("names", "".join(f"{name_of(number)}\n" for number in range(setting.names)))
    ranges = setting.write("ranges", "".join(f"{prefix}\n" for prefix in setting.prefixes()))
    listen = f'"127.0.0.1:{setting.port}", {{reusePort=true, tcpListenQueueSize={setting.connections}}}'
    more = f"addLocal({listen})\n" * (setting.workers - 1)
    files = f'"{setting.certificate}", "{setting.key}"'
    if setting.encryption:
        add, path = ("addDOHLocal", '"/dns-query", ') if setting.encryption == "doh" else ("addTLSLocal", "")
        queue = f"{{tcpListenQueueSize={setting.connections}}}"
        more += f'{add}("127.0.0.1:{setting.tls_port}", {files}, {path}{queue})\n'
    config = f"""\
setLocal({listen})
{more}setSecurityPollSuffix("")
setMaxUDPOutstanding(65535)
ranges = newNMG()
for prefix in io.lines("{ranges}") do ranges:addMask(prefix) end
names = newSuffixMatchNode()
for name in io.lines("{names}") do names:add(newDNSName(name)) end
setACL({{"127.0.0.0/8"}})
addAction(NotRule(NetmaskGroupRule(ranges)), RCodeAction(DNSRCode.REFUSED))
addAction(SuffixMatchNodeRule(names), RCodeAction(DNSRCode.REFUSED))
newServer{{address="127.0.0.1:{setting.upstream_port}", healthCheckMode="up"}}
getPool(""):setCache(newPacketCache(1000000, {{maxTTL=86400}}))
"""
    return _command("dnsdist", "--supervised", "--disable-syslog", "-C", setting.write("dnsdist.conf", config))


def _response_policy(setting: Setting) -> Path:
    """Write a response policy zone that denies each listed name and all names below it. Return its path."""
    head = "$TTL 60\n@ SOA localhost. hostmaster.large.rpz. 1 3600 600 86400 60\n@ NS localhost.\n"
    listed = (f"{name} CNAME .\n*.{name} CNAME .\n" for name in map(name_of, range(setting.names)))
    return setting.write("large.rpz", "$ORIGIN large.rpz.\n" + head + "".join(listed))


def _recursor(setting: Setting) -> Command:
    ranges = setting.write("ranges", "".join(f"{prefix}\n" for prefix in setting.prefixes()))
    config = f"""\
dnssec:
  validation: off
incoming:
  listen: ["127.0.0.1:{setting.port}"]
  allow_from_file: {ranges}
  max_tcp_clients: {setting.connections}
outgoing:
  dont_query: []
recursor:
  threads: {setting.workers}
  tcp_threads: 1
  daemon: false
  socket_dir: {setting.directory}
  security_poll_suffix: ""
  forward_zones_recurse:
    - zone: .
      forwarders: ["127.0.0.1:{setting.upstream_port}"]
  rpzs:
    - name: {_response_policy(setting)}
      policyName: large.rpz
logging:
  disable_syslog: true
  loglevel: 3
"""
    setting.write("recursor.yml", config)
    return _command("pdns_recursor", f"--config-dir={setting.directory}")


def _dnsmasq(setting: Setting) -> Command:
    # The default of 150 open forwards is enough for the load. Every round of the loop walks a table of half that size.
    listed = "".join(f"local=/{name_of(number)}/\n" for number in range(setting.names))
    config = f"""\
port={setting.port}
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
user=root
server=127.0.0.1#{setting.upstream_port}
cache-size=10000
max-tcp-connections={setting.connections}
log-facility=-
pid-file
{listed}"""
    return _command("dnsmasq", "-k", "-C", setting.write("dnsmasq.conf", config))


def _bind(setting: Setting) -> Command:
    policy = _response_policy(setting)
    ranges = "".join(f"{prefix}; " for prefix in setting.prefixes())
    config = f"""\
acl ranges {{ {ranges}}};
options {{
  directory "{setting.directory}";
  listen-on port {setting.port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file none;
  session-keyfile none;
  allow-query {{ ranges; }};
  recursion yes;
  recursive-clients 10000;
  tcp-clients {setting.connections};
  forwarders {{ 127.0.0.1 port {setting.upstream_port}; }};
  forward only;
  dnssec-validation no;
  qname-minimization off;
  max-cache-size 256m;
  response-policy {{ zone "large.rpz"; }} qname-wait-recurse no;
}};
controls {{ }};
zone "large.rpz" {{ type primary; file "{policy}"; allow-query {{ none; }}; }};
"""
    path = setting.write("named.conf", config)
    return _command("named", "-f", "-n", setting.workers, "-c", path, "-L", setting.directory / "named.log")


PEERS = (
    Peer("unbound", _unbound, failover=True, encryption=True),
    Peer("dnsdist", _dnsdist, encryption=True),
    Peer("recursor", _recursor),
    Peer("dnsmasq", _dnsmasq, many_workers=False, many_connections=False),
    Peer("bind", _bind),
)
PROGRAMS = {
    "unbound": "unbound",
    "dnsdist": "dnsdist",
    "recursor": "pdns_recursor",
    "dnsmasq": "dnsmasq",
    "bind": "named",
}
"""The component that determines each peer's version."""
