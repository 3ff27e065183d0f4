"""What dig prints becomes values."""

import pytest

from tests.support.digging import NoAnswer, Record, parse_dig

REFUSED = """
; <<>> DiG 9.20.30 <<>> -r @127.0.0.1 -q www.tiktok.com -t A
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: REFUSED, id: 11729
;; flags: qr rd ra; QUERY: 1, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 1

;; OPT PSEUDOSECTION:
; EDNS: version: 0, flags: do; udp: 1232
; EDE: 15 (Blocked): (Besluit 2023/1 (art. 4); dns@example.org)
; EDE: 16 (Censored)
; EDE: 9999: (other)
;; QUESTION SECTION:
;www.tiktok.com.\t\t\tIN\tA

;; Query time: 0 msec
;; SERVER: 127.0.0.1#5300(127.0.0.1) (UDP)
;; MSG SIZE  rcvd: 116
"""

ANSWERED = """
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1
;; flags: qr aa; QUERY: 1, ANSWER: 2, AUTHORITY: 1, ADDITIONAL: 0

;; QUESTION SECTION:
;video.example.org.\t\tIN\tTXT

;; ANSWER SECTION:
video.example.org.\t300\tIN\tCNAME\twww.example.net.
www.example.net.\t60\tIN\tTXT\t"two  spaces; and" "more"

;; AUTHORITY SECTION:
example.net.\t\t300\tIN\tNS\tns.example.net.

;; SERVER: ::1#5300(::1) (TCP)
"""


def test_a_refusal_keeps_every_extended_error_in_order() -> None:
    result = parse_dig(REFUSED)
    assert result.rcode == "REFUSED"
    assert result.flags == {"qr", "rd", "ra"}
    assert result.ede == ((15, "Besluit 2023/1 (art. 4); dns@example.org"), (16, ""), (9999, "other"))
    assert (result.edns, result.transport) == ("version: 0, flags: do; udp: 1232", "udp")
    assert result.answers == ()


def test_sections_are_told_apart_and_data_is_kept_as_printed() -> None:
    result = parse_dig(ANSWERED)
    assert result.answers == (
        Record("video.example.org.", 300, "CNAME", "www.example.net."),
        Record("www.example.net.", 60, "TXT", '"two  spaces; and" "more"'),
    )
    assert result.authority == (Record("example.net.", 300, "NS", "ns.example.net."),)
    assert (result.edns, result.ede, result.transport) == (None, (), "tcp")
    assert result.rdata("TXT") == ['"two  spaces; and" "more"']


@pytest.mark.parametrize("printed", ["", ";; communications error to 127.0.0.1#5300: timed out\n"])
def test_output_without_an_answer_is_an_error(printed: str) -> None:
    with pytest.raises(NoAnswer):
        parse_dig(printed)
