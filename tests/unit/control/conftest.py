"""A simulated control plane, and configurations that name it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.config.load import default_config
from dnsfilter.config.node_config import Config
from dnsfilter.policy.model import Instant, Mode
from dnsfilter.snapshot.compiler import Compiled, compile_policy
from tests.support.fake_control_plane import Played
from tests.support.policies import NOW, ban, network, policy, service

GHENT = policy(network("192.0.2.0/24", "ghent"), service("video", ["example.org"]), ban(1, "ghent", "video"))


def compiled(revision: int, mode: Mode = Mode.ENFORCE, made_s: Instant = NOW, epoch: int = 0) -> Compiled:
    """Return a snapshot of one ban. Another mode changes the rules, but not names and ranges."""
    policy = replace(GHENT, revision=revision, bans=(ban(1, "ghent", "video", mode),), epoch=epoch)
    return compile_policy(policy, made_s)


@pytest.fixture
def plane() -> Iterator[Played]:
    """Run a control plane that has published revision 1."""
    with Played() as made:
        made.publish(compiled(1))
        yield made


@pytest.fixture
def config_for(tmp_path: Path) -> Callable[..., Config]:
    """Make configurations of a node at that URL, with more keys of `[control_plane]`."""

    def make(url: str, **keys: object) -> Config:
        resolv_conf = tmp_path / "resolv.conf"
        resolv_conf.write_text("nameserver 198.51.100.1\n")
        plain = default_config(resolv_conf)
        control = replace(plain.control_plane, url=url, **keys)  # type: ignore[arg-type]
        return replace(plain, state_dir=tmp_path / "state", control_plane=control)

    return make
