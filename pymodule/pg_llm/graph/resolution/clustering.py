"""Groups of members that are one thing: whoever joins must be like all of a group on average, not like one of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

# Of two large groups so many pairs are looked at.
_MOST_PAIRS = 400


def joined(
    groups: Mapping[int, int],
    pairs: Iterable[tuple[float, int, int]],
    score: Callable[[int, int], float],
    apart: Collection[tuple[int, int]],
    least: float,
) -> list[tuple[int, int, float, tuple[int, int]]]:
    """Which groups join: the two, their score, and the two members that brought them together.

    `groups` maps members to groups, `pairs` are scores of members, `apart` are members that must not meet, the smaller
    first. A group that has joined another goes by that one's name.
    """
    of = dict(groups)
    members: dict[int, list[int]] = {}
    for member, group in sorted(of.items()):
        members.setdefault(group, []).append(member)
    apart = set(apart)
    found = []
    for _, first, second in sorted(pairs, key=lambda pair: (-pair[0], pair[1:])):
        one, other = sorted((of[first], of[second]))
        if one == other:
            continue
        across = [(min(a, b), max(a, b)) for a in members[one] for b in members[other]]
        if not apart.isdisjoint(across):
            continue
        some = across[:: len(across) // _MOST_PAIRS + 1]
        mean = sum(score(a, b) for a, b in some) / len(some)
        if mean < least:
            continue
        found.append((one, other, mean, (first, second)))
        for member in members[other]:
            of[member] = one
        members[one] += members.pop(other)
    return found
