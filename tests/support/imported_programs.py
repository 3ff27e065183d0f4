"""What forks of programs have imported before they start: all that the control plane and `dnsfilter up` use."""

import gc

from api import serving
from api.installation import making, user
from dnsfilter import cli
from dnsfilter.node import single
from tests.support import forked_programs

IMPORTED = (serving, making, user, cli, single, forked_programs)

# No collection of a fork walks, and so copies, what is shared.
gc.collect()
gc.freeze()
