"""What was made durable lately, so that a collector can say "duplicate" at once. The fold has the last word."""


class Recent:
    """A bounded memory of touchpoint keys: the newest `size` are known for sure, up to twice as many at all.

    Two generations: when the younger is full, the elder is forgotten. 100 bytes a key.
    """

    def __init__(self, size: int = 200_000):
        self._size = size
        self._young: set[int] = set()
        self._old: set[int] = set()

    @staticmethod
    def key(workspace: str, message_id: str, anchor: str) -> int:
        """What makes two touchpoints the same, as 64 bits (seeded per process, so nobody can aim at a collision)."""
        return hash((workspace, message_id, anchor))

    def __contains__(self, key: int) -> bool:
        return key in self._young or key in self._old

    def add(self, key: int) -> None:
        """Remember a touchpoint that is on disk."""
        if len(self._young) >= self._size:
            self._old, self._young = self._young, set()
        self._young.add(key)
