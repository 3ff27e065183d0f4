"""Server cookies against the examples of RFC 9018 appendix A, and SipHash against its authors' example."""

from ipaddress import ip_address

from dnsfilter.engine.interoperable_cookie import cookie_age, is_hash_valid, make_server_cookie, sip_hash
from tests.support.row_tables import each_row

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
OLD_SECRET, NEW_SECRET = (
    bytes.fromhex(text) for text in ("dd3bdf9344b678b185a6f5cb60fca715", "445536bcd2513298075a5d379663c962")
)
FIRST, SECOND, THIRD = "198.51.100.100", "203.0.113.203", "2001:db8:220:1:59de:d0f4:8769:82b8"


@each_row(
    "secret, client_cookie, client, at_s, made",
    [
        (SECRET, "2464c4abcf10c957", FIRST, 1559731985, "010000005cf79f111f8130c3eee29480"),
        (SECRET, "2464c4abcf10c957", FIRST, 1559734385, "010000005cf7a871d4a564a1442aca77"),
        (SECRET, "fc93fc62807ddb86", SECOND, 1559734700, "010000005cf7a9acf73a7810aca2381e"),
        (NEW_SECRET, "22681ab97d52c298", THIRD, 1559741961, "010000005cf7c609a6bb79d16625507a"),
    ],
)
def test_cookies_are_those_of_the_rfc(secret: bytes, client_cookie: str, client: str, at_s: int, made: str) -> None:
    found = make_server_cookie(secret, bytes.fromhex(client_cookie), ip_address(client).packed, at_s)
    assert found.hex() == made


@each_row(
    "secret, client_cookie, client, cookie, is_valid",
    [
        (SECRET, "fc93fc62807ddb86", SECOND, "01abcdef5cf78f71a314227b6679ebf5", True),
        (SECRET, "fc93fc62807ddb86", SECOND, "01abcdee5cf78f71a314227b6679ebf5", False),
        (SECRET, "fc93fc62807ddb86", FIRST, "01abcdef5cf78f71a314227b6679ebf5", False),
        (OLD_SECRET, "22681ab97d52c298", THIRD, "010000005cf7c57926556bd0934c72f8", True),
        (NEW_SECRET, "22681ab97d52c298", THIRD, "010000005cf7c57926556bd0934c72f8", False),
    ],
)
def test_reserved_bytes_and_the_address_are_hashed(
    secret: bytes, client_cookie: str, client: str, cookie: str, is_valid: bool
) -> None:
    arguments = secret, bytes.fromhex(client_cookie), ip_address(client).packed, bytes.fromhex(cookie)
    assert is_hash_valid(*arguments) is is_valid


@each_row(
    "made_s, at_s, age",
    [
        (1000, 1000, 0),
        (1000, 4600, 3600),
        (1000, 4601, None),
        (1300, 1000, -300),
        (1301, 1000, None),
        ((1 << 32) - 10, (1 << 32) + 20, 30),
        (5, (1 << 32) + 20, 15),
    ],
)
def test_timestamps_are_compared_by_serial_arithmetic(made_s: int, at_s: int, age: int | None) -> None:
    cookie = make_server_cookie(SECRET, bytes(8), bytes(4), made_s)
    assert cookie_age(cookie, at_s) == age


@each_row("cookie", [b"", bytes(16), b"\1" + bytes(14), b"\1" + bytes(31), b"\2" + bytes(15)])
def test_another_form_has_no_age(cookie: bytes) -> None:
    assert cookie_age(cookie, 0) is None


def test_siphash_of_fifteen_bytes_is_that_of_its_authors() -> None:
    assert sip_hash(bytes(range(16)), bytes(range(15))).hex() == "e545be4961ca29a1"
