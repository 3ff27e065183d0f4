"""A machine with Debian and a running systemd, in namespaces: the real service manager, without network."""

import fcntl
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

from tests.support.components import PROJECT, component, impossible
from tests.support.namespaces import Namespace, tool
from tests.support.nodes import eventually

DEBIAN = PROJECT / "build/debian-root"
"""Debian 13 with what each installation has, and dig. `ensure_debian` makes it."""
PACKAGES = "systemd,systemd-sysv,dbus,python3,iproute2,bind9-dnsutils,procps"
BOOT_S = 60.0
# Several machines at once would end each other's units without a tree of control groups for each.
OWN_GROUP = 'mkdir "$GROUP" && echo 0 > "$GROUP/cgroup.procs" && exec "$@"'
# What is written goes to memory, and is gone at the end. systemd has a tree of control groups of its own.
# Credentials reach a unit by a shared mount.
BOOT = """
mount --make-rprivate /
mount -t tmpfs -o mode=0755 disk /mnt
mkdir /mnt/written /mnt/work /mnt/root
mount -t overlay -o "lowerdir=$DEBIAN,upperdir=/mnt/written,workdir=/mnt/work" overlay /mnt/root
cd /mnt/root
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mount -t tmpfs -o mode=0755 dev dev
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mkdir -p run/before
pivot_root . run/before
umount -l /run/before
mount --make-rshared /
exec env -i container=unshare PATH=/usr/sbin:/usr/bin /sbin/init --show-status=no
"""


class BootedMachine(Namespace):
    """`with BootedMachine() as machine:`. `sh` runs lines in it as root, `run` and `component` only in its network."""

    def __init__(self) -> None:
        super().__init__()
        self._boot: subprocess.Popen[bytes] | None = None
        self._group = Path()

    @property
    def pid(self) -> int:
        """Return the id of the machine's init."""
        assert self._boot is not None
        children = Path(f"/proc/{self._boot.pid}/task/{self._boot.pid}/children").read_text().split()
        return int(children[0])

    def command(self, *arguments: str) -> list[str]:
        return [tool("nsenter"), f"--target={self.pid}", "--net", "--", *arguments]

    def attempt(self, script: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """Run lines of a shell inside as root, and accept any exit code."""
        inside = [tool("nsenter"), f"--target={self.pid}", "--all", "--", "/bin/bash", "-euc", script]
        environ = {
            "PATH": "/usr/sbin:/usr/bin",
            "LANG": "C.UTF-8",
            "HOME": "/root",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        return subprocess.run(inside, env=environ, capture_output=True, text=True, timeout=timeout_s)

    def sh(self, script: str) -> str:
        """Run lines of a shell inside as root and return what they print. Raise AssertionError if a line fails."""
        done = self.attempt(script)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def put(self, file: Path, name: str) -> None:
        """Copy a file to /srv."""
        shutil.copyfile(file, Path("/proc", str(self.pid), "root", "srv", name))

    def _start(self) -> None:
        separate = ("--mount", "--pid", "--net", "--cgroup", "--uts", "--ipc", "--fork", "--kill-child")
        self._group = Path(_control_groups(), f"machine-{secrets.token_hex(4)}")
        within = [tool("unshare"), *separate, "/bin/bash", "-euc", BOOT]
        self._boot = subprocess.Popen(
            [tool("setpriv"), "--pdeathsig=KILL", "/bin/bash", "-euc", OWN_GROUP, "bash", *within],
            env=os.environ | {"DEBIAN": str(DEBIAN), "GROUP": str(self._group)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._await_boot()
        super()._start()

    def _await_boot(self) -> None:
        assert self._boot is not None
        until, said = time.monotonic() + BOOT_S, ""
        while time.monotonic() < until and self._boot.poll() is None:
            time.sleep(0.2)
            try:
                said = self.attempt("systemctl is-system-running --wait").stdout.strip()
            except IndexError:
                continue  # not forked yet
            if said in {"running", "degraded"}:
                return
        impossible(f"systemd does not boot in namespaces here: {said or 'no answer'}")

    def _unshare(self, *command: str) -> list[str]:
        return self.command(*command)

    def _close(self) -> None:
        super()._close()
        if self._boot is not None:
            self._boot.kill()
            self._boot.wait()
            assert eventually(self._is_removed), f"{self._group} still has processes"

    def _is_removed(self) -> bool:
        """Remove the machine's control groups, and return whether its last process has ended."""
        try:
            for group, _, _ in os.walk(self._group, topdown=False):
                Path(group).rmdir()
        except OSError:
            return False
        return True


def _control_groups() -> str:
    """Return where version 2 of control groups is mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, directory, kind, *_ = line.split()
        if kind == "cgroup2":
            return directory
    return impossible("no control groups of version 2 are mounted")


def ensure_debian() -> None:
    """Make the root directory of the machines, once. It needs a mirror of Debian, and takes about a minute."""
    if os.geteuid() != 0:
        impossible("only root can boot a machine")
    DEBIAN.parent.mkdir(exist_ok=True)
    with DEBIAN.with_name(f"{DEBIAN.name}.lock").open("w") as lock:
        # Tests of several processes need it, and one of them makes it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (DEBIAN / "etc/os-release").exists():
            _make_debian()


def _make_debian() -> None:
    program = component("debootstrap")
    scripts = program.path.parents[1] / "share/debootstrap"
    unfinished = DEBIAN.with_name(f"{DEBIAN.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    subprocess.run(
        [program.path, "--variant=minbase", f"--include={PACKAGES}", "trixie", unfinished],
        env=dict(program.env) | {"DEBOOTSTRAP_DIR": str(scripts)},
        check=True,
    )
    unfinished.rename(DEBIAN)
