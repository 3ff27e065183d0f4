"""The result of a check, and what the checks look at."""

from dataclasses import dataclass
from pathlib import Path

from dnsfilter.cli.doctor.contact import Contact
from dnsfilter.cli.running.known_config import KnownConfig
from dnsfilter.config.node_config import Config
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.telemetry.scraped import Samples

API_SETTINGS = "etc/dnsfilter/api.env"
AS_ROOT = "run this as root"
LOG = "journalctl -u dnsfilter -n 50"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, and what to type or to do next."""

    text: str
    advice: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a check. `seen` is what is right, `unseen` what the check could not see, and what that needs."""

    findings: tuple[Finding, ...] = ()
    seen: str = ""
    unseen: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """A node and its machine, as the checks see them.

    `page` has the metrics of the running node, or why there are none. `contact` is the control plane's answer; None
    without a control plane. `options` names the configuration in commands. `count_s` is how long to count clients.
    `root` is the directory in which files of the machine are read. `config` is the one that the node answers by;
    `known` says how it relates to the file.
    """

    config: Config
    store: SnapshotStore
    page: Samples | str
    contact: Contact | None
    known: KnownConfig
    now_s: float
    options: str = ""
    by_policy: bool = False
    count_s: float = 0.0
    root: Path = Path("/")

    def command(self, words: str) -> str:
        """Return a command of `dnsfilter` about this node, to type."""
        return f"dnsfilter {words} {self.options}".rstrip()

    def metric(self, name: str, **labels: str) -> float | None:
        """Return the sum of the running node's samples with that name and these labels. None if there are none."""
        return None if isinstance(self.page, str) else self.page.value(name, **labels)

    def text(self, path: str) -> str | None:
        """Return the content of a file of the machine, at most a megabyte. None if it cannot be read."""
        try:
            with (self.root / path.lstrip("/")).open("rb") as file:
                return file.read(1 << 20).decode("utf-8", "replace")
        except OSError:
            return None

    def number(self, path: str) -> int | None:
        """Return the first number in a file of the machine. None if there is none."""
        words = (self.text(path) or "").split()
        return int(words[0]) if words and words[0].isdecimal() else None
