"""What is asked of an upstream: the query, and what a forged answer to it would have to repeat."""

from dnsfilter.engine.slow_path.exchange import Exchange
from dnsfilter.engine.slow_path.pending_table import HealthBook
from dnsfilter.engine.slow_path.varied_case import fold_answer
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.query import build_upstream_query


class Questions:
    """Writes queries by the health of their servers. `want_ad` asks for the AD bit."""

    def __init__(self, zones: Zones, health: HealthBook, want_ad: bool) -> None:
        self._zones = zones
        self._health = health
        self._want_ad = want_ad

    def message(self, exchange: Exchange, server: int) -> bytes:
        """Return the query without its id, which the table or the stream draws."""
        key, edns = exchange.key, not exchange.attempt.is_plain(server)
        ad = self._want_ad and edns
        padded = server in self._zones.encrypted
        return build_upstream_query(exchange.question, id=0, cd=key.cd, do=key.do, ad=ad, edns=edns, padded=padded)

    def marks(self, exchange: Exchange, server: int, now_ms: int) -> tuple[bool, bool]:
        """Return whether case varies in the next query to `server` over UDP, and whether it has a cookie."""
        view, attempt = self._zones.route(exchange.question.name, exchange.question.qtype), exchange.attempt
        lower = attempt.is_doubted(server, Failure.CASE) or self._health.is_lower(server, now_ms)
        without = attempt.is_doubted(server, Failure.COOKIE) or attempt.is_plain(server)
        return view.varies_case and not lower, view.sends_cookies and not without

    def answered(self, exchange: Exchange, message: bytes) -> bytes:
        """Return an answer by stream, folded if its server may have kept our letters from questions over UDP."""
        name, qtype = exchange.question.name, exchange.question.qtype
        return fold_answer(message, len(name)) if self._zones.route(name, qtype).varies_case else message
