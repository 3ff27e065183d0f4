"""Pass a local request to flush the cache on to all workers."""

import logging

from dnsfilter.errors import UnavailableError
from dnsfilter.local.flush_request import take_flush
from dnsfilter.supervisor.crew import Crew
from dnsfilter.supervisor.upgrade import Handover
from dnsfilter.telemetry import logs
from dnsfilter.worker.channel import Flush

_LOG = logging.getLogger("dnsfilter.node")


def pass_on_flush(crew: Crew, handover: Handover) -> None:
    """Take a request, if there is one, and order every worker to carry it out. A trial leaves it to the node."""
    if handover.is_trial:
        return
    try:
        wanted = take_flush(crew.orders.config.node_dir)
    except UnavailableError as error:
        logs.emit(_LOG, logging.ERROR, "cache not flushed", reason=error)
        return
    if wanted is not None:
        logs.emit(_LOG, logging.INFO, "flushing the cache", wanted=wanted)
        for member in crew.members:
            member.send(Flush(wanted.name, wanted.below))
