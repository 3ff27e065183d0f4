"""The steps of a reload: read its files in time, refuse what needs a restart, bind new addresses."""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TypeVar

from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.file_text import load_text
from dnsfilter.config.node_config import Config, ControlPlane, Endpoint
from dnsfilter.errors import ConfigError, DnsfilterError, Problem
from dnsfilter.supervisor.sockets import Listening, open_listening
from dnsfilter.supervisor.start import Means
from dnsfilter.telemetry import logs

RESTART = "takes effect only with a restart: type systemctl restart dnsfilter"
READ_S = 2.0
"""Seconds in which a reload must have read a file: a FIFO without a writer, or a dead NFS server, never ends."""
Result = TypeVar("Result")
_LOG = logging.getLogger("dnsfilter.node")


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload puts into effect: the configuration with its text, and the sockets for it."""

    config: Config
    text: str
    listening: Listening


async def reload_files(means: Means, running: Config, held: Listening) -> Reloaded:
    """Read the files again, bind new addresses, then publish the policy file. Return what is to take effect now.

    Raise DnsfilterError if one of these steps fails: then nothing has changed.
    """
    texts = await read_in_time(means.files)
    draft = await in_thread(lambda: means.draft(texts))
    check_reloadable(draft.config, running)
    with ExitStack() as undone:
        listening = held
        if draft.config != running:
            config = draft.config
            listening = open_listening(config.listen, config.workers, list(held.bound()), config.encrypted)
            undone.callback(listening.close, held)
        await in_thread(draft.publish)
        undone.pop_all()
    return Reloaded(draft.config, draft.text, listening)


def log_refusal(error: DnsfilterError | OSError) -> str:
    """Log every reason why a reload failed. Return them in one line."""
    for problem in error.problems if isinstance(error, ConfigError) else (error,):
        logs.emit(_LOG, logging.ERROR, "configuration not reloaded", reason=problem)
    return str(error)


async def read_in_time(files: Mapping[Path, int]) -> Mapping[Path, str]:
    """Return the texts of files, each with a limit in bytes. Raise ConfigError if one cannot be read in READ_S."""
    texts = {}
    for path, most in files.items():
        try:
            texts[path] = await asyncio.wait_for(in_thread(partial(load_text, path, most)), READ_S)
        except TimeoutError:
            message = f"cannot be read within {READ_S:.0f} seconds: check its disk or server, and reload again"
            raise ConfigError((Problem(str(path), message),)) from None
    return texts


async def in_thread(work: Callable[[], Result]) -> Result:
    """Return the result of `work`, done by a thread that neither a cancellation nor the end of the process waits for.

    The threads of `asyncio.to_thread` would hold up the end until a blocked call returns.
    """
    done: Future[Result] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001
            done.set_exception(error)

    threading.Thread(target=run, name="reload", daemon=True).start()
    return await asyncio.wrap_future(done)


def check_listen(new: Config, running: Collection[Endpoint]) -> None:
    """Raise ConfigError if `new` has no key `listen` and its default would drop an address that is in use.

    An empty or truncated file is such a configuration.
    """
    left = listen_text(each for each in running if each not in new.endpoints)
    if new.default_listen and left:
        default = listen_text(new.listen)
        message = f"the key is missing, and the default {default} would drop {left}: set the addresses"
        raise ConfigError((Problem("listen", message),))


def listen_text(endpoints: Iterable[Endpoint]) -> str:
    """Return these addresses for a log line or message, each once."""
    return ", ".join(map(endpoint_text, dict.fromkeys(endpoints)))


def log_addresses(config: Config, before: Collection[Endpoint]) -> None:
    """Log the listening addresses that a node gains and loses, and default ones that it leaves out."""
    added = listen_text(each for each in config.endpoints if each not in before)
    removed = listen_text(each for each in before if each not in config.endpoints)
    if before and (added or removed):
        logs.emit(_LOG, logging.INFO, "addresses change", added=added or "none", removed=removed or "none")
    if config.left_out:
        left_out = listen_text(config.left_out)
        logs.emit(_LOG, logging.WARNING, "default addresses left out, no such family here", addresses=left_out)


def check_reloadable(new: Config, running: Config) -> None:
    """Raise ConfigError if `new` differs in keys that take effect only with a restart, or as `check_listen` does."""
    check_listen(new, running.listen)
    keys = [key for key in ("metrics_listen", "state_dir", "user") if getattr(new, key) != getattr(running, key)]
    keys += [
        f"control_plane.{field.name}"
        for field in fields(ControlPlane)
        if getattr(new.control_plane, field.name) != getattr(running.control_plane, field.name)
    ]
    if keys:
        raise ConfigError(tuple(Problem(key, RESTART) for key in keys))
