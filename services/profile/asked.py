"""What conditions ask of the past beside traits and consent: the cells keep that of it, and nothing else."""

from collections.abc import Iterable
from typing import NamedTuple

from services.conditions.subject import left_key, within_key
from services.conditions.tree import Node, OfEvent, OfSequence, nodes


class Asked(NamedTuple):
    """Events whose count is asked for, those asked for within a time (ms), and sequences (did, then not, within)."""

    counts: frozenset[str] = frozenset()
    within: frozenset[tuple[str, int]] = frozenset()
    sequences: frozenset[tuple[str, str, int]] = frozenset()

    @property
    def windows(self) -> dict[str, int]:
        """The longest time asked of each event."""
        return dict(sorted(self.within))

    @property
    def ends(self) -> frozenset[str]:
        """The events that sequences are made of."""
        return frozenset(event for did, then_not, _ in self.sequences for event in (did, then_not))

    @property
    def names(self) -> list[str]:
        """Everything that is asked, by the names that profiles read at some time have for it."""
        within = [within_key(*one) for one in self.within]
        return sorted([*self.counts, *within, *(left_key(*one) for one in self.sequences)])


def asked(trees: Iterable[Node]) -> Asked:
    """What these conditions ask."""
    leaves = [node for tree in trees for node in nodes(tree)]
    events = [leaf for leaf in leaves if isinstance(leaf, OfEvent)]
    return Asked(
        frozenset(leaf.event for leaf in events if leaf.within is None),
        frozenset((leaf.event, leaf.within) for leaf in events if leaf.within is not None),
        frozenset((leaf.did, leaf.then_not, leaf.within) for leaf in leaves if isinstance(leaf, OfSequence)),
    )
