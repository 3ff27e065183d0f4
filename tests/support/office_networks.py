"""The authorities' networks without bans, on a clock that a test moves: real programs, their API and dig."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from tests.support.dig import DigResult
from tests.support.fake_clock import MovedClock
from tests.support.nodes import EXAMPLE, SingleMachine, eventually

_BANS = "# ---- bans ---"


class Office(SingleMachine):
    """`dnsfilter up` with only the example's authorities and ranges.

    `settings` are additional environment variables.
    """

    def __init__(self, directory: Path, upstream: str, at: str, settings: Mapping[str, str] | None = None) -> None:
        policy = directory / "authorities.toml"
        policy.write_text(EXAMPLE.read_text().partition(_BANS)[0])
        super().__init__(directory, upstream, policy=policy)
        self.clock = MovedClock(directory, at)
        self.environment = {**self.clock.environment, **(settings or {})}
        self._http: httpx.Client | None = None

    def start(self) -> Self:
        """Start, and have the resolver believe a clock that a test moves by years."""
        super().start()
        config = self.state / "dnsfilter.toml"
        config.write_text(f"trust_clock = true\n{config.read_text()}")
        os.kill(self.child("dnsfilter serve"), signal.SIGHUP)
        assert eventually(lambda: "configuration reloaded" in self.log.read_text())
        assert eventually(self.is_ready)
        return self

    def __enter__(self) -> Self:
        super().__enter__()
        self._http = httpx.Client(base_url=self.api_url, timeout=30)
        return self

    def stop(self, *arguments: Any) -> int:
        """Stop the process and close the HTTP client."""
        if self._http is not None:
            self._http.close()
        return super().stop(*arguments)

    def request(self, method: str, path: str, body: object = None, token: str | None = None) -> httpx.Response:
        """Send a request to the API, as the administrator unless another token is given."""
        assert self._http is not None
        token = token or (self.state / "admin-token").read_text().strip()
        return self._http.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})

    def done(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:
        """Return the answer to a request that must succeed. Wait until an act is in force."""
        response = self.request(method, path, body, token)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        if method != "GET":
            self.settle()
        return response.json() if response.content else None

    def settle(self) -> None:
        """Wait until the resolver answers by the newest revision."""
        revision = self.request("GET", "/readyz").json()["revision"]
        assert eventually(lambda: self._revision() == revision), f"revision {revision} is not in force"

    def _revision(self) -> int:
        texts = self.dig("health.dnsfilter.internal", "TXT").rdata("TXT")
        return int(texts[0].strip('"').removeprefix("revision="))

    def token_of(self, login: str, role: str, authority: str) -> str:
        """Return a token of a new account that holds one role."""
        account = self.done("POST", "/v1/accounts", {"kind": "service", "login": login, "name": login})["number"]
        grant = {"account": account, "role": role, "authority": authority, "reason": "its part", "for": "3 years"}
        self.done("POST", "/v1/grants", grant)
        made = self.done("POST", f"/v1/accounts/{account}/tokens", {"label": "test", "for": "1 year"})
        return str(made["token"])

    def ask(self, client: str, name: str = "www.tiktok.com") -> DigResult:
        """Return what dig gets for the name from that address."""
        return self.dig(name, bind=client)

    def rcode(self, client: str, name: str = "www.tiktok.com") -> str:
        """Return the rcode that dig gets for the name from that address."""
        return self.ask(client, name).rcode

    def counted(self, kind: str, authority: str, service: str) -> float:
        """Return how many queries were refused, monitored or exempted."""
        return self.metrics().get(f'dnsfilter_{kind}_total{{authority="{authority}",service="{service}"}}', 0.0)

    def ban(self, authority: str, service: str = "tiktok") -> Any:
        """Return the ban as the API shows it."""
        return self.done("GET", f"/v1/authorities/{authority}/bans/{service}")

    def ending(self) -> list[str]:
        """Return the bans that soon end or are due for review."""
        items = self.done("GET", "/v1/bans?state=ending")["items"]
        return [f"{item['authority']}/{item['service']}" for item in items]
