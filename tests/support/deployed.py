"""What command lines and health checks in `deploy/` mean to the programs."""

import argparse
import asyncio
import socket
from collections.abc import Sequence
from functools import cache
from urllib.error import HTTPError
from urllib.request import urlopen

from api.application import make_description
from api.main import make_parser as make_api_parser
from dnsfilter.cli.main import make_parser as make_node_parser
from dnsfilter.supervisor.web import StatusServer
from dnsfilter.telemetry.exposition import Page
from tests.meta.project import pyproject

_PARSERS = {"dnsfilter": make_node_parser, "dnsfilter-api": make_api_parser}


def parse_command(words: Sequence[str]) -> argparse.Namespace:
    """Parse a command line with the program's own parser. A wrong one exits."""
    program, *arguments = words
    assert program in pyproject()["project"]["scripts"]
    parser = _PARSERS[program]()
    parser.allow_abbrev = False
    return parser.parse_args(arguments)


@cache
def node_status(path: str) -> int:
    """Return the HTTP status that a node's status server has for a path while the node is ready."""

    async def ask() -> int:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            server = StatusServer(sock, lambda: lambda _accept, _coding: Page((), b""), lambda _upstreams: None)
            try:
                return await asyncio.to_thread(_status, f"http://127.0.0.1:{sock.getsockname()[1]}{path}")
            finally:
                await server.close()

    return asyncio.run(ask())


@cache
def api_paths() -> frozenset[str]:
    """Return the paths of the control plane's API."""
    return frozenset(make_description([]).openapi()["paths"])


def _status(url: str) -> int:
    try:
        with urlopen(url, timeout=60) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code
