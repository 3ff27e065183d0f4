"""The sockets that each worker reads: its own, and those of a neighbour that died or hangs.

A node of N workers has positions 0 to N - 1, each filled by one worker. A node with one position has a standby, which
reads nothing until it is needed. There are at least as many sets of sockets as positions, and each set belongs to one
position.
"""

from collections.abc import Mapping


def assign_sockets(sets: int, positions: int, able: Mapping[int, bool]) -> Mapping[int, frozenset[int]]:
    """Return the numbers of the sets that each occupied position reads.

    `able` maps each occupied position to whether its worker serves and has reported recently. A worker that is not able
    keeps its own sets, so that it reads on if it recovers. The next able worker reads them too.
    """
    reads: dict[int, set[int]] = {position: set() for position in able}
    for number in range(sets):
        owner = number % positions
        if owner in able:
            reads[owner].add(number)
        if not able.get(owner, False):
            cover = _next_able(owner, positions, able)
            if cover is not None:
                reads[cover].add(number)
    return {position: frozenset(numbers) for position, numbers in reads.items()}


def positions_to_fill(workers: int) -> int:
    """Return the number of processes to run: a single worker has a standby, several cover for each other."""
    return 2 if workers == 1 else workers


def _next_able(owner: int, positions: int, able: Mapping[int, bool]) -> int | None:
    """Return the next able position after `owner`, cyclically. Return a standby only if there is no other."""
    others = [(owner + step) % positions for step in range(1, positions)]
    standbys = sorted(position for position in able if position >= positions)
    return next((position for position in (*others, *standbys) if able.get(position, False)), None)
