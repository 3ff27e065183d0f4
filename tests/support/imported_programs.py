"""The modules that forks of programs share: all that the control plane, its client and `dnsfilter` use."""

import gc

from api import cli, serving
from api.ctl.remote import client
from api.installation import commands, owner
from dnsfilter.cli import main, single_machine
from tests.support import forked_programs

IMPORTED = (cli, client, serving, commands, owner, main, single_machine, forked_programs)

# Keep shared objects out of garbage collection: a collection in a fork would touch them, and so copy them.
gc.collect()
gc.freeze()
