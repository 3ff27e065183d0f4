"""Reading a status page."""

import pytest

from dnsfilter.telemetry.scraped import parse_samples

PAGE = """\
# HELP dnsfilter_queries_total Queries.
# TYPE dnsfilter_queries_total counter
dnsfilter_queries_total{transport="udp",outcome="cached"} 7
dnsfilter_queries_total{transport="tcp",outcome="cached"} 2
dnsfilter_queries_total{transport="udp",outcome="refused"} 1
# TYPE dnsfilter_workers gauge
dnsfilter_workers 2
"""


def test_samples_are_summed_by_name_and_labels() -> None:
    samples = parse_samples(PAGE)
    assert samples.value("dnsfilter_workers") == 2
    assert samples.value("dnsfilter_queries_total") == 10
    assert samples.value("dnsfilter_queries_total", outcome="cached") == 9
    assert samples.value("dnsfilter_queries_total", outcome="stale") is None
    assert samples.by("dnsfilter_queries_total", "outcome") == {"cached": 9, "refused": 1}


def test_other_text_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_samples('<html lang="en">{')
