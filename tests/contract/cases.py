"""The policy that most contract tests share, and the records of its names."""

from typing import Any

from dnsfilter.policy.model import Binding, Ground, Mode, Policy
from tests.support.policies import ban, network, policy, service
from tests.support.scripted import Scripted, says

REFERENCE = "GC 2023/71"
NETWORKS = (
    network("127.0.5.0/24", "ghent"),
    network("127.0.7.0/24", "mechelen"),
    network("127.0.8.0/24", "diest"),
    network("127.0.14.0/24", "police"),
)
TIKTOK = service("tiktok", ("tiktok.com", "cdn.example.net"), ("api.example.net",))

RECORDS = {
    ("plain.example.org", "A"): ("plain.example.org. 300 A 198.51.100.10",),
    ("www.tiktok.com", "A"): ("www.tiktok.com. 300 A 192.0.2.100",),
    ("video.example.org", "A"): (
        "video.example.org. 300 CNAME www.tiktok.com.",
        "www.tiktok.com. 300 A 192.0.2.100",
    ),
    ("svc.example.org", "HTTPS"): ("svc.example.org. 300 HTTPS 1 www.tiktok.com. alpn=h2",),
    ("alias.example.org", "HTTPS"): ("alias.example.org. 300 HTTPS 0 www.tiktok.com.",),
    ("x.tree.example.org", "A"): (
        "tree.example.org. 300 DNAME tiktok.com.",
        "x.tree.example.org. 300 CNAME x.tiktok.com.",
        "x.tiktok.com. 300 A 192.0.2.101",
    ),
}
TARGETS = [key for key in RECORDS if key[0] not in ("plain.example.org", "www.tiktok.com")]
"""Questions whose answers lead to a banned name."""


def office(*more: Any, revision: int = 1, mode: Mode = Mode.ENFORCE, **of_ban: Any) -> Policy:
    """Return a policy: Ghent bans TikTok, which binds the police by law; Diest monitors it; Mechelen has no ban."""
    return policy(
        *NETWORKS,
        TIKTOK,
        ban(1, "ghent", "tiktok", mode, reference=REFERENCE, **of_ban),
        ban(2, "diest", "tiktok", Mode.MONITOR),
        Binding(1, 1, "police", Ground.LAW, 0),
        *more,
        revision=revision,
    )


def internet() -> Scripted:
    """Return an upstream that answers the names above."""
    return Scripted(says(RECORDS))
