"""Check acts/acts.jsonl as README.txt describes. This needs only Python 3. Exit code 1: the hash chain is broken."""

import hashlib
import json
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
seq, previous = 0, "0" * 64


def written(value: object) -> str:
    """Return a JSON value as text, in the form that README.txt describes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


with open(os.path.join(here, "acts", "acts.jsonl"), encoding="utf-8", newline="\n") as acts:
    for number, line in enumerate(acts, start=1):
        entry = json.loads(line)
        # This also finds members that occur twice: json.loads reads only one of them.
        if line != written(entry) + "\n":
            sys.exit(f"line {number}: is not in the form in which acts are recorded")
        claimed = entry.pop("hash")
        if entry["seq"] != seq + 1 or entry["previous"] != previous:
            sys.exit(f"line {number}: entry {entry['seq']} does not follow entry {seq}")
        if hashlib.sha256(written(entry).encode("utf-8")).hexdigest() != claimed:
            sys.exit(f"line {number}: entry {entry['seq']} was changed")
        seq, previous = entry["seq"], claimed
with open(os.path.join(here, "manifest.json"), encoding="utf-8") as manifest:
    head = json.load(manifest)["audit"]
if (seq, previous) != (head["seq"], head["hash"]):
    sys.exit(f"the last entry, {seq}, does not match the manifest, which names entry {head['seq']}")
print(f"the hash chain of {seq} acts is intact; the last hash is {previous}")
