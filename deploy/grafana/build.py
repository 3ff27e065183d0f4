"""Write the dashboards as JSON. Run `python deploy/grafana/build.py deploy/grafana/dashboards` after a change here."""

import json
import sys
from pathlib import Path

from bans import BANS
from capacity import CAPACITY
from changes import CHANGES
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from service import SERVICE

DASHBOARDS = {"service": SERVICE, "bans": BANS, "capacity": CAPACITY, "changes": CHANGES}


def main(directory: Path) -> None:
    """Write each dashboard to a file in the directory."""
    for name, dashboard in DASHBOARDS.items():
        content = json.loads(JSONEncoder().encode(dashboard.build()))
        for panel in content["panels"]:
            if panel.get("options") is None:  # the SDK writes null, which Grafana's schema does not have
                panel["options"] = {}
        text = json.dumps(content, sort_keys=True, indent=1)
        (directory / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
