# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The compiled engine: the ordinary query in C, without a Python object; everything else as the reference engine does.

Where C decides, it decides exactly as reference.py; where it is not certain, it hands over before it has counted or
stored anything. One extension, in topics: each included file is one.
"""

include "compiled/defs.pxi"
include "compiled/layout.pxi"
include "compiled/names.pxi"
include "compiled/ranges.pxi"
include "compiled/rules.pxi"
include "compiled/snapshot.pxi"
include "compiled/limits.pxi"
include "compiled/wire.pxi"
include "compiled/checked.pxi"
include "compiled/chain.pxi"
include "compiled/ordinary.pxi"
include "compiled/siphash.pxi"
include "compiled/entry.pxi"
include "compiled/reply.pxi"
include "compiled/cache.pxi"
include "compiled/doors.pxi"
include "compiled/health.pxi"
include "compiled/pool.pxi"
include "compiled/room.pxi"
include "compiled/flights.pxi"
include "compiled/pending.pxi"
include "compiled/handover.pxi"
include "compiled/asking.pxi"
include "compiled/sockets.pxi"
include "compiled/answering.pxi"
include "compiled/delivering.pxi"
include "compiled/engine.pxi"
