"""Which worker reads which sockets: its own, and those of a neighbour that died or hangs.

Workers sit on seats 0 to `seats` - 1. A node with one seat has a spare behind it, who reads nothing until it is needed.
There are at least as many sets of sockets as seats, and each set has one seat that it belongs to.
"""

from collections.abc import Mapping


def share_out(sets: int, seats: int, able: Mapping[int, bool]) -> Mapping[int, frozenset[int]]:
    """The numbers of the sets that each occupied seat is to read.

    `able` has the occupied seats: whether the worker there serves and has been heard of lately. One that is not able
    keeps its own, so that it reads on should it come back to itself; the next able one along reads them too.
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
    """How many processes there are to be: one worker has a spare, several have each other."""
    return 2 if workers == 1 else workers


def _next_able(owner: int, seats: int, able: Mapping[int, bool]) -> int | None:
    """The next able seat after `owner`, round the table; the spare only when there is no other."""
    round_the_table = [(owner + step) % seats for step in range(1, seats)]
    behind = sorted(seat for seat in able if seat >= seats)
    return next((seat for seat in (*round_the_table, *behind) if able.get(seat, False)), None)
