"""Read the networks in exports of DHCP servers and IPAM: Kea, Windows DHCP, NetBox. Pure.

An export says neither to whom a network belongs nor who paid for the devices and who uses them. The caller says that.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any
from xml.parsers import expat

from api.errors import Fault
from api.http.prefixes import why_no_prefix
from api.range_import.csv_table import csv_lines, fault
from dnsfilter.policy.model import Prefix

_NOT_JSON = re.compile(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|#[^\n]*|/\*.*?\*/', re.DOTALL)
"""A string, or a comment of Kea."""
_LAST_COMMA = re.compile(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[\]}])')
_SUBNET = re.compile(r'"subnet"\s*:\s*"([^"\\]*)"')
_WINDOWS_V6_LENGTH = "64"
"""Windows has IPv6 scopes of this length only, so an export of older versions does not say it."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network of an export: the line on which it stands, its prefix as written there, and its label."""

    line: int
    prefix: str
    label: str = ""


class UnreadableExport(Exception):
    """The file is not an export of that kind. The message says why, with the line if there is one."""


def read_export(kind: str, text: str) -> tuple[list[tuple[int, Prefix, str]], list[Fault]]:
    """Return line, prefix and label of each network in an export of one of `KINDS`, and a fault for each wrong one.

    Raise UnreadableExport if the text is no such export.
    """
    rows: list[tuple[int, Prefix, str]] = []
    faults: list[Fault] = []
    seen: dict[Prefix, int] = {}
    for network in KINDS[kind](text.removeprefix("\ufeff")):
        try:
            prefix = ip_network(network.prefix)
        except ValueError:
            faults.append(fault(network.line, why_no_prefix(network.prefix)))
            continue
        if prefix in seen:
            faults.append(fault(network.line, f"{prefix} repeats line {seen[prefix]}: remove one"))
        else:
            seen[prefix] = network.line
            rows.append((network.line, prefix, " ".join(network.label.split())))
    return rows, faults


def _kea(text: str) -> Iterator[Network]:
    """Yield the subnets of a configuration file, or of the answer to `config-get`."""
    plain = _LAST_COMMA.sub(lambda match: match[1] or " ", _NOT_JSON.sub(_blanked, text))
    try:
        found: Any = json.loads(plain)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise UnreadableExport(
            f"it cannot be read as JSON: {where}. For a file with includes, give config-get."
        ) from error
    lines: dict[str, list[int]] = {}
    line, counted = 1, 0
    for match in _SUBNET.finditer(plain):
        line, counted = line + plain.count("\n", counted, match.start()), match.start()
        lines.setdefault(match[1], []).append(line)
    servers = [server for each in _items(found) for server in _servers(each)]
    if not servers:
        raise UnreadableExport("it has neither Dhcp4 nor Dhcp6")
    for server in servers:
        groups = [("", server), *((_text(each, "name"), each) for each in _items(server.get("shared-networks", [])))]
        for label, group in groups:
            for subnet in (*_items(group.get("subnet4", [])), *_items(group.get("subnet6", []))):
                prefix = _text(subnet, "subnet")
                found = lines.get(prefix) or [1]
                yield Network(found.pop(0) if len(found) > 1 else found[0], prefix, _comment(subnet) or label)


def _blanked(match: re.Match[str]) -> str:
    """Return a string as it is, and a comment as its line breaks, so that lines keep their numbers."""
    return match[1] or "\n" * match[0].count("\n")


def _servers(found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    held = found.get("arguments", found)
    for name in ("Dhcp4", "Dhcp6"):
        if isinstance(held, dict) and isinstance(held.get(name), dict):
            yield held[name]


def _comment(subnet: Mapping[str, Any]) -> str:
    context = subnet.get("user-context")
    return _text(subnet, "comment") or (_text(context, "comment") if isinstance(context, dict) else "")


def _items(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of a list, or one object as a list."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key, "")
    return value if isinstance(value, str) else ""


def _windows(text: str) -> Iterator[Network]:
    """Yield the scopes of `Export-DhcpServer`, or of `Get-DhcpServerv4Scope | Export-Csv`, also for version 6."""
    if text.lstrip().startswith("<"):
        yield from (_scope(line, cells) for line, cells in _scopes(text))
        return
    # PowerShell 5 writes the type above the heading.
    head, _, rest = text.partition("\n")
    typed = head.startswith("#TYPE")
    for line, cells in _table(rest if typed else text, (("scopeid", "subnetmask"), ("prefix",))):
        yield _scope(line + typed, cells)


def _scope(line: int, cells: Mapping[str, str]) -> Network:
    if "scopeid" in cells:
        prefix = f"{cells['scopeid']}/{cells.get('subnetmask', '')}"
    else:
        prefix = f"{cells['prefix']}/{cells.get('prefixlength') or _WINDOWS_V6_LENGTH}"
    return Network(line, prefix, cells.get("name", ""))


def _scopes(text: str) -> list[tuple[int, dict[str, str]]]:
    """Return the line and the texts of each element `Scope` that is below `Scopes`, by lower-case name."""
    found: list[tuple[int, dict[str, str]]] = []
    path: list[str] = []
    # The text is decoded already. Its XML declaration may still name the encoding of the file.
    parser = expat.ParserCreate("utf-8")

    def start(name: str, _attributes: object) -> None:
        path.append(name.lower())
        if path[-2:] == ["scopes", "scope"]:
            found.append((parser.CurrentLineNumber, {}))

    def content(data: str) -> None:
        if path[-3:-1] == ["scopes", "scope"]:
            cells = found[-1][1]
            cells[path[-1]] = cells.get(path[-1], "") + data

    def refuse(*_: object) -> None:
        raise UnreadableExport("it has a document type, which Export-DhcpServer does not write")

    parser.StartElementHandler, parser.CharacterDataHandler = start, content
    parser.EndElementHandler, parser.StartDoctypeDeclHandler = lambda _: path.pop(), refuse
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise UnreadableExport(f"it cannot be read as XML: {error}") from error
    if not found:
        raise UnreadableExport("it has no scopes: is it written by Export-DhcpServer?")
    usable = [(line, cells) for line, cells in found if "scopeid" in cells or "prefix" in cells]
    return [(line, {name: cell.strip() for name, cell in cells.items()}) for line, cells in usable]


def _netbox(text: str) -> Iterator[Network]:
    """Yield the prefixes of a table of NetBox, without containers: these hold prefixes, not devices."""
    for line, cells in _table(text, (("prefix",),)):
        if cells.get("status", "").lower() != "container":
            yield Network(line, cells["prefix"], cells.get("description", ""))


def _table(text: str, needed: Sequence[Sequence[str]]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield line and cells by lower-case heading. The heading must have all names of one of `needed`."""
    lines = csv_lines(text)
    _, heading = next(lines, (1, "the file is empty"))
    names = [] if isinstance(heading, str) else [cell.strip().lower() for cell in heading]
    if not any(set(each) <= set(names) for each in needed):
        wanted = " or ".join(" and ".join(each) for each in needed)
        raise UnreadableExport(heading if isinstance(heading, str) else f"its first row has no column {wanted}")
    for line, cells in lines:
        if isinstance(cells, str):
            raise UnreadableExport(f"line {line} {cells}")
        # A row that ends early has empty cells.
        yield line, dict.fromkeys(names, "") | dict(zip(names, (cell.strip() for cell in cells), strict=False))


KINDS: Mapping[str, Callable[[str], Iterator[Network]]] = {"kea": _kea, "windows": _windows, "netbox": _netbox}
