"""What forks of programs have imported before they start: all that the control plane and `dnsfilter up` use."""

import gc

from api import serving
from api.installation import commands, owner
from dnsfilter.cli import main, single_machine
from tests.support import forked_programs

IMPORTED = (serving, commands, owner, main, single_machine, forked_programs)

# No collection of a fork walks, and so copies, what is shared.
gc.collect()
gc.freeze()
