"""What forks of programs have imported before they start: all that the control plane and `dnsfilter up` use."""

import gc
from importlib import import_module

PROGRAMS = (
    "api.installation.making",
    "api.installation.user",
    "api.serving",
    "dnsfilter.cli",
    "dnsfilter.node.single",
    "tests.support.forked_programs",
)

gc.disable()
for name in PROGRAMS:
    import_module(name)
# No collection of a fork walks, and so copies, what is shared.
gc.freeze()
gc.enable()
