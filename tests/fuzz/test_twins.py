"""Every kind of engine matches the reference: the same replies, counts and questions for any steps."""

from contextlib import ExitStack
from dataclasses import fields

import pytest
from hypothesis import given

from tests.fuzz.examples import examples
from tests.fuzz.scenes import ZONE, Scene, scenes
from tests.support.engine_twins import Course, Wait
from tests.support.engines import KINDS, ZoneTo, running
from tests.support.policies import NOW
from tests.support.scripted import Scripted, silent


def _course(kind: str, scene: Scene, stack: ExitStack) -> Course:
    upstreams = [Scripted(silent) for _ in range(3 if scene.conditional else 2)]
    conditional = [ZoneTo(ZONE, upstreams[2], cookies=scene.cookies)] if scene.conditional else []
    rig = stack.enter_context(
        running(
            kind,
            scene.policy,
            *upstreams,
            conditional=conditional,
            strategy=scene.strategy,
            cookies=scene.cookies,
            clients=scene.clients,
            limits=scene.limits,
            wall_s=scene.wall_s,
            cache_bytes=16_000_000,
            stale_s=scene.stale_s,
            trust_ad=scene.trust_ad,
            listen=scene.listen,
        )
    )
    return Course(rig, NOW)


def check_scene(kind: str, scene: Scene) -> None:
    """Run a scene with two new engines, and compare them after each step."""
    with ExitStack() as stack:
        reference, twin = (_course(one, scene, stack) for one in ("reference", kind))
        for step in (*scene.steps, *(Wait(2_500),) * 3):
            expected, found = reference.take(step), twin.take(step)
            for part in fields(expected):
                assert getattr(found, part.name) == getattr(expected, part.name), f"{part.name} after {step}"
        assert twin.kept() == reference.kept()


@pytest.mark.parametrize("twin", [kind for kind in KINDS if kind != "reference"])
def test_a_twin_does_as_the_reference_does(twin: str) -> None:
    @examples(50)
    @given(scenes())
    def check(scene: Scene) -> None:
        check_scene(twin, scene)

    check()
