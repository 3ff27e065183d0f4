"""What of a configuration that is read anew takes effect while the node runs."""

from dataclasses import fields, replace

from dnsfilter.config.model import Config, ControlPlane


def as_far_as_possible(new: Config, running: Config) -> tuple[Config, tuple[str, ...]]:
    """The new configuration with what cannot change as it is, and the keys that need a restart."""
    kept = replace(
        new,
        metrics_listen=running.metrics_listen,
        state_dir=running.state_dir,
        user=running.user,
        control_plane=running.control_plane,
    )
    keys = [key for key in ("metrics_listen", "state_dir", "user") if getattr(new, key) != getattr(running, key)]
    keys += [
        f"control_plane.{field.name}"
        for field in fields(ControlPlane)
        if getattr(new.control_plane, field.name) != getattr(running.control_plane, field.name)
    ]
    return kept, tuple(keys)
