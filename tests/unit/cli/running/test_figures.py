"""Figures between two readings."""

import json

from dnsfilter.cli.running.figures import figures
from dnsfilter.telemetry.scraped import Samples, parse_samples


def page(cached: int, forwarded: int, refused: int, *, up: int = 1, more: str = "") -> Samples:
    return parse_samples(
        "# TYPE dnsfilter_queries_total counter\n"
        f'dnsfilter_queries_total{{transport="udp",outcome="cached"}} {cached}\n'
        f'dnsfilter_queries_total{{transport="udp",outcome="forwarded"}} {forwarded}\n'
        f'dnsfilter_queries_total{{transport="tcp",outcome="refused"}} {refused}\n'
        f"# TYPE dnsfilter_cache_hits_total counter\ndnsfilter_cache_hits_total {cached}\n"
        f'dnsfilter_upstream_up{{upstream="192.0.2.53:53"}} {up}\n'
        "# TYPE dnsfilter_upstream_queries_total counter\n"
        f'dnsfilter_upstream_queries_total{{upstream="192.0.2.53:53"}} {forwarded}\n'
        f"dnsfilter_snapshot_revision 7\ndnsfilter_snapshot_age_seconds 7200\ndnsfilter_workers 2\n{more}"
    )


def test_rates_and_shares_are_those_of_the_time_between() -> None:
    found = figures(page(100, 50, 10), page(400, 150, 10), 4.0)
    assert found.queries_per_s == 100
    assert found.outcomes == {"cached": 0.75, "forwarded": 0.25}
    assert found.cache_hit_share == 0.75
    assert found.upstreams["192.0.2.53:53"].queries_per_s == 25
    assert (found.workers, found.revision) == (2, 7)
    assert json.loads(json.dumps(found.value()))["upstreams"]["192.0.2.53:53"]["up"] is True


def test_node_that_was_started_again_has_no_negative_rates() -> None:
    found = figures(page(100, 50, 10), page(5, 0, 0), 1.0)
    assert found.queries_per_s == 5
    assert found.outcomes == {"cached": 1.0}


def test_node_without_queries_has_no_shares() -> None:
    found = figures(page(1, 1, 1), page(1, 1, 1), 1.0)
    assert (found.outcomes, found.cache_hit_share) == ({}, None)
    assert dict(found.rows())["outcomes"] == "no queries"


def test_what_needs_attention_stands_out() -> None:
    more = (
        'dnsfilter_suspended{authority=""} 1\ndnsfilter_suspended{authority="ghent"} 1\n'
        "# TYPE dnsfilter_datagrams_dropped_total counter\ndnsfilter_datagrams_dropped_total 3\n"
    )
    rows = dict(figures(page(0, 0, 0), page(1, 0, 0, up=0, more=more), 1.0).rows())
    assert rows["SUSPENDED"] == "all, ghent"
    assert rows["DROPPED"].startswith("3.0 queries per second by the kernel")
    assert rows["upstream 192.0.2.53:53"].startswith("FAILING")
    assert rows["policy"] == "revision 7, made 2 hours ago"
