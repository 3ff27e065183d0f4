"""Time until one command frees a name, as a client sees it: `python -m tests.bench.one_name [NUMBER]`.

A resolver and its control plane run as `dnsfilter up` starts them, with the example policy. A client of Ghent asks for
one name of TikTok every few milliseconds. Meanwhile the name is allowed and removed NUMBER times (default: 20). The
bench prints the milliseconds until the client's first changed answer: from the answer of the API, which comes after the
commit, and from the start of the request. Then it runs the command of the first day, and prints how long that took in
all. It needs the programs of `make components`.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import httpx

from tests.bench.toggle import NOERROR, REFUSED, Watcher
from tests.support.knot import Knot
from tests.support.nodes import SingleMachine
from tests.support.zone_texts import ZONES

CLIENT, NAME = "127.0.5.10", "www.tiktok.com"
WHERE = f"/v1/authorities/ghent/names/{NAME}"
REASON = "the first day"
ASKED_S = 0.003
"""Seconds between questions: more of them are dropped, as a client may only send so many."""
PAUSE_S = 1.1
"""Seconds between acts: what an act ends in the second in which it began lasts until the next."""


def main() -> None:
    """Measure, and print the figures."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with (
        tempfile.TemporaryDirectory() as name,
        Knot(ZONES) as upstream,
        SingleMachine(Path(name), upstream.hostport) as machine,
        Watcher(machine.port, NAME, CLIENT, ASKED_S) as watcher,
    ):
        token = (machine.state / "admin-token").read_text().strip()
        with httpx.Client(base_url=machine.api_url, headers={"Authorization": f"Bearer {token}"}) as client:
            watcher.seen(REFUSED)
            since_answer, since_request = [], []
            for _ in range(number):
                began = time.monotonic()
                client.put(WHERE, json={"verdict": "allow", "reason": REASON}).raise_for_status()
                answered = time.monotonic()
                changed = watcher.seen(NOERROR)
                since_answer.append((changed - answered) * 1000)
                since_request.append((changed - began) * 1000)
                time.sleep(PAUSE_S)
                client.delete(WHERE, params={"reason": REASON}).raise_for_status()
                watcher.seen(REFUSED)
                time.sleep(PAUSE_S)
        for what, found in (("the answer of the API", since_answer), ("the start of the request", since_request)):
            print(f"freed after {what}: median {median(found):.0f} ms, longest {max(found):.0f} ms, {number} times")
        began = time.monotonic()
        done = machine.ctl("name", "allow", "ghent", NAME, "--reason", REASON)
        done.check_returncode()
        changed = watcher.seen(NOERROR)
        took, ended = (changed - began) * 1000, (time.monotonic() - began) * 1000
        print(f"freed after the start of the command: {took:.0f} ms; the command took at most {ended:.0f} ms")


if __name__ == "__main__":
    main()
