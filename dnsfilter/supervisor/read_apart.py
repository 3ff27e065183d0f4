"""Read the files of a starting node in a process of their own, whose memory is free again afterwards.

The libraries that check a configuration and a policy take 10 MB, which a node needs only at its start and at a reload.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from dnsfilter.config.node_config import Config
from dnsfilter.errors import ConfigError, DnsfilterError, Problem, UnavailableError
from dnsfilter.worker.start_config import pack_config, unpack_config

_PACKED, _PROBLEMS, _ERROR = b"c", b"p", b"e"


def parse(text: str, path: Path | None) -> Config:
    """Return the configuration of this text from `path`, or the defaults. Raise ConfigError with every problem."""
    from dnsfilter.config.load import default_config, parse_config

    return default_config() if path is None else parse_config(text, path)


def parse_apart(text: str, path: Path | None) -> Config:
    """Do what `parse` does in a fork of this process, which must not have other threads."""
    return unpack_config(in_fork(lambda: pack_config(parse(text, path), ())))[0]


def in_fork(work: Callable[[], bytes]) -> bytes:
    """Return what `work` returns in a fork of this process, which must not have other threads.

    Raise the ConfigError that it raises, and UnavailableError for any other failure.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _send_result(work, writing)
    os.close(writing)
    with open(reading, "rb") as file:
        kind, content = file.read(1), file.read()
    _, status = os.waitpid(pid, 0)
    if kind == _PACKED:
        return content
    if kind == _PROBLEMS:
        raise ConfigError(tuple(Problem(*pair) for pair in json.loads(content)))
    if kind == _ERROR:
        raise UnavailableError(content.decode())
    raise UnavailableError(f"a process of this start failed: status {os.waitstatus_to_exitcode(status)}")


def _send_result(work: Callable[[], bytes], writing: int) -> None:
    """Write the result for `in_fork` and end this process."""
    code = 1
    try:
        try:
            result = _PACKED + work()
        except ConfigError as error:
            pairs = [(problem.location, problem.message) for problem in error.problems]
            result = _PROBLEMS + json.dumps(pairs).encode()
        except DnsfilterError as error:
            result = _ERROR + str(error).encode()
        with open(writing, "wb") as file:
            file.write(result)
        code = os.EX_OK
    except Exception:  # noqa: BLE001 - as the interpreter does at its end
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
