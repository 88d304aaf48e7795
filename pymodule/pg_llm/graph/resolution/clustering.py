"""Average-linkage agglomerative clustering with cannot-link constraints, of members that are grouped already."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

# Pairs of members of two clusters whose scores are averaged; of more a sample is taken.
_MAX_PAIRS = 400


def agglomerate(
    groups: Mapping[int, int],
    pairs: Iterable[tuple[float, int, int]],
    score: Callable[[int, int], float],
    cannot_link: Collection[tuple[int, int]],
    threshold: float,
) -> list[tuple[int, int, float, tuple[int, int]]]:
    """The joins of groups, in order: the two groups, their average score, and the pair of members that led to the join.

    `groups` maps members to groups, `pairs` are scored pairs of members, `cannot_link` pairs that must not share a
    group, the smaller member first. A group that joins another takes that one's name.
    """
    group_of = dict(groups)
    members: dict[int, list[int]] = {}
    for member, group in sorted(group_of.items()):
        members.setdefault(group, []).append(member)
    forbidden = set(cannot_link)
    joins = []
    for _, first, second in sorted(pairs, key=lambda pair: (-pair[0], pair[1:])):
        one, other = sorted((group_of[first], group_of[second]))
        if one == other:
            continue
        across = [(min(a, b), max(a, b)) for a in members[one] for b in members[other]]
        if not forbidden.isdisjoint(across):
            continue
        sample = across[:: len(across) // _MAX_PAIRS + 1]
        mean = sum(score(a, b) for a, b in sample) / len(sample)
        if mean < threshold:
            continue
        joins.append((one, other, mean, (first, second)))
        for member in members[other]:
            group_of[member] = one
        members[one] += members.pop(other)
    return joins
