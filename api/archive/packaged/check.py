"""Checks acts/acts.jsonl, as README.txt says: needs Python 3 and nothing else. Exit code 1: the chain does not hold."""

import hashlib
import json
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
seq, previous = 0, "0" * 64


def written(value: object) -> str:
    """A JSON value as README.txt says that it is written."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


with open(os.path.join(here, "acts", "acts.jsonl"), encoding="utf-8", newline="\n") as acts:
    for number, line in enumerate(acts, start=1):
        entry = json.loads(line)
        # A name that stands twice, of which one was read, would otherwise go unseen.
        if line != written(entry) + "\n":
            sys.exit(f"line {number}: is not written as acts are recorded")
        claimed = entry.pop("hash")
        if entry["seq"] != seq + 1 or entry["previous"] != previous:
            sys.exit(f"line {number}: entry {entry['seq']} does not follow entry {seq}")
        if hashlib.sha256(written(entry).encode("utf-8")).hexdigest() != claimed:
            sys.exit(f"line {number}: entry {entry['seq']} was changed")
        seq, previous = entry["seq"], claimed
with open(os.path.join(here, "manifest.json"), encoding="utf-8") as manifest:
    head = json.load(manifest)["audit"]
if (seq, previous) != (head["seq"], head["hash"]):
    sys.exit(f"the acts end at entry {seq}, and the manifest says entry {head['seq']}")
print(f"the chain of {seq} acts holds; the last hash is {previous}")
