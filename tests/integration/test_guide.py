"""The commands of the tasks do what they say, with the units and as their users."""

import re
from collections.abc import Callable, Iterator

import pytest
from pyrage.x25519 import Identity

from tests.support.documents import blocks
from tests.support.installed_machine import Installed
from tests.support.nodes import eventually
from tests.support.tutorial import HERE as SERVER
from tests.support.tutorial import SETUP

pytestmark = pytest.mark.slow

HEALTH = "health.dnsfilter.internal"
STATE = "/var/lib/dnsfilter"
BACKUP = "docs/tasks/back-up-and-restore.md"
LOCAL_ACTS = "docs/tasks/local-acts.md"
TOKENS = "docs/tasks/accounts-and-tokens.md"
TOKEN_FILE = f"export DNSFILTER_TOKEN_FILE={STATE}/admin-token"


@pytest.fixture
def machine() -> Iterator[Installed]:
    """Yield a machine that is installed as the documents say, but not started."""
    with Installed() as made:
        made.space.add_address(f"{SERVER}/32")
        made.install()
        yield made


def started(machine: Installed) -> None:
    """Set up by the tutorial's command. Its upstreams and domain controllers are not here."""
    machine.sh(f"{SETUP.rstrip()} --force")


def nodes(machine: Installed) -> str:
    return machine.sh(f"{TOKEN_FILE}\ndnsfilterctl node list")


def reported(holds: Callable[[], bool]) -> bool:
    """Return whether the control plane learns something from the node, which reports every ten seconds."""
    return eventually(holds, every_s=1)


def roots(machine: Installed) -> list[str]:
    """Return the paths below the state directory that root owns."""
    return [path for path, owner in machine.owners(STATE).items() if path and owner.startswith("root:")]


def answered(machine: Installed) -> str:
    """Return the code of the answer to the guide's question."""
    return machine.dig(HEALTH, "TXT", server=SERVER).rcode


def restore_lines(*, with_copies: bool) -> str:
    """Return the guide's commands of a restore, with or without the copies of the signing keys."""
    _aside, lines, _enrol = blocks(BACKUP, "Restore")
    install = f"install -o dnsfilter-api -g dnsfilter-api -m 0600 snapshot-key checkpoint-key {STATE}/api"
    return lines.replace("dnsfilter-api new-keys", install) if with_copies else lines


def backed_up(machine: Installed) -> str:
    """Back up by the guide's command, encrypted for a test key, outside the state directory. Return a `cd` to it."""
    identity = Identity.generate()
    line = re.sub("age1[a-z0-9]+", str(identity.to_public()), blocks(BACKUP, "Back up now")[0])
    machine.sh(
        f"mkdir -m 0700 /mnt/kept && cd /mnt/kept && {TOKEN_FILE}\n"
        f'printf "%s" "$KEY" > key.txt\n{line}\ncp {STATE}/api/*-key .',
        KEY=str(identity),
    )
    return "cd /mnt/kept\n"


def test_the_first_start_gives_a_node_that_is_known_and_reports(machine: Installed) -> None:
    started(machine)
    assert reported(lambda: " current " in nodes(machine))
    assert eventually(lambda: answered(machine) == "NOERROR")
    assert eventually(lambda: machine.run(f"test -e {STATE}/enrolment-token").returncode == 1)
    machine.sh(blocks(LOCAL_ACTS, "Suspend")[0].splitlines()[0])
    listed = f"{TOKEN_FILE}\ndnsfilterctl audit list --act node.suspend"
    assert reported(lambda: "the payroll service is refused" in machine.sh(f"{listed} --json"))


def test_the_resolvers_user_reads_the_nodes_token_and_not_the_administrators(machine: Installed) -> None:
    machine.sh("dnsfilter-api init")
    as_node = "setpriv --reuid=dnsfilter --regid=dnsfilter --init-groups --"
    assert machine.sh(f"{as_node} cat {STATE}/enrolment-token").startswith("dnsf_")
    for kept in ("admin-token", "token-key", "api/dnsfilter.sqlite3"):
        readable = [machine.run(f"{who} test -r {STATE}/{kept}").returncode == 0 for who in ("", as_node)]
        assert readable == [True, False]
    owners = machine.owners(STATE)
    assert owners["enrolment-token"] == "dnsfilter-api:dnsfilter:640"
    assert {"admin-token", "api/dnsfilter.sqlite3"} <= owners.keys()
    assert roots(machine) == []


def test_the_node_waits_for_the_control_plane_and_then_needs_it_no_more(machine: Installed) -> None:
    started(machine)
    assert eventually(lambda: answered(machine) == "NOERROR")
    machine.sh("systemctl stop dnsfilter-api && systemctl restart dnsfilter")
    assert answered(machine) == "NOERROR"


def test_a_lost_token_is_replaced_by_the_guides_line(machine: Installed) -> None:
    database = f'"sqlite:///{STATE}/api/our office"'
    machine.sh(
        "sed -i '/^DNSFILTER_API_DATABASE/d' /etc/dnsfilter/api.env\n"
        "printf 'DNSFILTER_API_DATABASE=%s\\n# a line\\n' \"$DATABASE\" >> /etc/dnsfilter/api.env\n"
        "dnsfilter-api init && systemctl start dnsfilter-api",
        DATABASE=database,
    )
    was = machine.sh(f"cat {STATE}/admin-token")
    (line,) = blocks(TOKENS, "The installation's own token")
    machine.sh(line)
    assert machine.sh(f"cat {STATE}/admin-token") != was
    assert roots(machine) == []
    assert "this-machine" in nodes(machine)
    as_api = "setpriv --reuid=dnsfilter-api --regid=dnsfilter-api --init-groups --"
    machine.sh(f"{as_api} {line}")
    assert "this-machine" in nodes(machine)
    machine.sh(f"{line.strip()} --state-dir {STATE}")
    assert "this-machine" in nodes(machine)
    assert roots(machine) == []


def test_a_user_who_may_not_act_learns_which_user_may(machine: Installed) -> None:
    machine.sh("dnsfilter-api init")
    as_nobody = "setpriv --reuid=nobody --regid=nogroup --clear-groups --"
    for command, said in (
        ("dnsfilter-api new-token", "cannot read /etc/dnsfilter/api.env: Permission denied; run the command as root"),
        (
            f"dnsfilter-api new-token --state-dir {STATE}",
            "Permission denied; run dnsfilter-api as root, or as the user",
        ),
    ):
        refused = machine.run(f"{as_nobody} {command}")
        assert (refused.returncode in (1, 2), said in refused.stderr) == (True, True), refused.stderr
        assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("with_copies", [False, True])
def test_after_everything_is_lost_the_guides_restore_ends_with_answers(machine: Installed, with_copies: bool) -> None:
    started(machine)
    kept = backed_up(machine)
    *_backup, stop = blocks(BACKUP, "Move to another machine")[0].splitlines()
    machine.sh(f"{stop}\nrm -rf {STATE}\nsystemd-tmpfiles --create dnsfilter.conf")
    machine.sh("dnsfilter-api init && systemctl start dnsfilter-api dnsfilter")  # as the package does
    machine.sh(blocks(BACKUP, "Restore")[0])
    said = machine.sh(kept + restore_lines(with_copies=with_copies))
    assert "status: NOERROR" in said
    assert reported(lambda: " current " in nodes(machine))
    assert roots(machine) == []


def test_a_node_that_kept_its_directory_goes_on_and_enrols_again_by_the_guides_lines(machine: Installed) -> None:
    started(machine)
    kept = backed_up(machine)
    machine.sh(f"systemctl stop dnsfilter dnsfilter-api && cd {STATE} && rm -rf api admin-token token-key snapshots")
    said = machine.sh(kept + restore_lines(with_copies=False))
    assert "status: NOERROR" in said
    machine.sh(blocks(BACKUP, "Restore")[-1])
    assert reported(lambda: " current " in nodes(machine))


def test_without_its_directory_and_without_the_control_plane_the_node_answers_by_the_files_on_this_machine(
    machine: Installed,
) -> None:
    started(machine)
    assert eventually(lambda: answered(machine) == "NOERROR")
    machine.sh(f"systemctl stop dnsfilter dnsfilter-api && rm -rf {STATE}/node/* && systemctl start dnsfilter")
    assert answered(machine) == "NOERROR"
    machine.sh("systemctl start dnsfilter-api && dnsfilter-api enrol-node")
    assert reported(lambda: " current " in nodes(machine))
