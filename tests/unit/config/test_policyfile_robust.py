"""Any text gives a policy or configuration, or problems with locations, and no other exception."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.config.load import load_config
from dnsfilter.config.policyfile import parse_policy
from dnsfilter.errors import ConfigError
from dnsfilter.policy.model import Service, Tier

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples"
SERVICES = {slug: Service(slug, slug, (Tier(1),)) for slug in ("tiktok", "facebook", "instagram", "x", "snapchat")}
VALUES = (
    "0", "-1", "1.5", "nan", "99999999999999999999", "true", '""', '"today"', '"ghent"', '"federal"', '"a b"', "'\\'",
    "[]", "[1]", '["x"]', "[[]]", "{}", "{ a = 1 }", "1969-12-31", "2199-12-31", "9999-12-31T23:59:59-12:00",
    "07:30:00", "0001-01-01T00:00:00+12:00", '"6 months"', '"9999 years"', '"127.0.5.0/24"', '"::ffff:0:0/96"',
    '"127.0.0.1:53"', '"Mon-Sun 00:00-24:00"', '"\\u0000"', '"' + "a" * 2000 + '"', '["nl", "nl"]', '{ nl = "\\n" }',
)  # fmt: skip
LINES = (
    "",
    "[ban.decision]",
    "[[ban.term]]",
    "[[exemption]]",
    "x = 1",
    "[binding]",
    "]",
    '"""',
    "until = 2024-01-01",
    "[",
    "[[list.version]]",
    "[[list_link]]",
    'except = ["x"]',
)
LISTS = """
[[list]]
authority = "federal"
slug = "apps"
[[list.version]]
adds = ["x", "snapchat"]
[[list.version.term]]
start = "today"
for = "6 months"
[[list.version]]
adds = ["instagram"]
removes = ["x"]
tiers = [1]
[[list.version.term]]
start = 2023-04-01
review_in = "1 year"
[[list_link]]
list = "federal/apps"
authority = "ghent"
ground = "law"
start = 2023-04-01
except = ["snapchat"]
[[binding]]
authority = "ghent"
of = "federal"
service = "instagram"
ground = "law"
start = 2023-04-01
list = "federal/apps"
"""


@st.composite
def mutated(draw: st.DrawFn, name: str, more: str = "") -> str:
    """Return an example with `more` after it, and with some values and some lines replaced."""
    text = (EXAMPLES / name).read_text() + more
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        if draw(st.integers(0, 3)) and " = " in lines[at]:
            lines[at] = re.sub(" = .*", lambda _: " = " + draw(st.sampled_from(VALUES)), lines[at], count=1)
        else:
            lines[at] = draw(st.sampled_from(LINES))
    return "\n".join(lines)


def assert_places(error: ConfigError, name: str) -> None:
    assert error.problems
    assert len(set(error.problems)) == len(error.problems)
    assert all(problem.message and re.match(rf"{name}(:\d+)?( |$)", problem.location) for problem in error.problems)


@given(mutated("belgium-2023.toml", LISTS))
def test_any_policy_text_is_a_policy_or_problems(text: str) -> None:
    try:
        policy = parse_policy(text, "policy.toml", services=SERVICES, now=1_678_462_200)
    except ConfigError as error:
        assert_places(error, "policy.toml")
    else:
        assert policy.revision == 1


@given(mutated("dnsfilter.toml"))
def test_any_configuration_text_is_a_configuration_or_problems(text: str) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "dnsfilter.toml"
        resolv_conf = Path(directory) / "resolv.conf"
        path.write_text(text)
        resolv_conf.write_text("nameserver 198.51.100.1\n")
        try:
            config = load_config(path, resolv_conf)
        except ConfigError as error:
            assert_places(error, re.escape(str(path)))
        else:
            assert config.listen
