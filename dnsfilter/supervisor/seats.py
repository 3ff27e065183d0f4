"""The sockets that each worker reads: its own, and those of a neighbour that died or hangs.

Workers have seats 0 to `seats` - 1. A node with one seat has a standby, which reads nothing until it is needed.
There are at least as many sets of sockets as seats, and each set belongs to one seat.
"""

from collections.abc import Mapping


def share_out(sets: int, seats: int, able: Mapping[int, bool]) -> Mapping[int, frozenset[int]]:
    """Return the numbers of the sets that each occupied seat reads.

    `able` maps each occupied seat to whether its worker serves and has reported recently. A worker that is not able
    keeps its own sets, so that it reads on if it recovers. The next able worker reads them too.
    """
    reads: dict[int, set[int]] = {seat: set() for seat in able}
    for number in range(sets):
        owner = number % seats
        if owner in able:
            reads[owner].add(number)
        if not able.get(owner, False):
            deputy = _next_able(owner, seats, able)
            if deputy is not None:
                reads[deputy].add(number)
    return {seat: frozenset(numbers) for seat, numbers in reads.items()}


def seats_to_fill(workers: int) -> int:
    """Return the number of processes to run: a single worker has a standby, several cover for each other."""
    return 2 if workers == 1 else workers


def _next_able(owner: int, seats: int, able: Mapping[int, bool]) -> int | None:
    """Return the next able seat after `owner`, cyclically. Return a standby only if there is no other."""
    others = [(owner + step) % seats for step in range(1, seats)]
    standbys = sorted(seat for seat in able if seat >= seats)
    return next((seat for seat in (*others, *standbys) if able.get(seat, False)), None)
