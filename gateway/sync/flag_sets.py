"""Interned keyword sets: a message holds the number of its set, a mailbox has a few dozen distinct sets."""

from collections.abc import Iterable

from adapters.ports.mail import Keywords

DEAD = 0
"""The number that dead rows have: no keywords, and not unread either."""


class FlagSets:
    """Sets and their numbers; it only grows, so all snapshots of an account share one."""

    def __init__(self, sets: Iterable[Keywords] = ()) -> None:
        self.sets: list[Keywords] = [frozenset()]
        self.unread: list[int] = [0]
        self._numbers: dict[Keywords, int] = {}
        self._unions: dict[tuple[int, ...], int] = {}
        for keywords in sets:
            self.number(keywords)

    def __len__(self) -> int:
        return len(self.sets)

    def number(self, keywords: Keywords) -> int:
        """The number of the set, which is given one when it is new."""
        number = self._numbers.get(keywords)
        if number is None:
            number = self._numbers[keywords] = len(self.sets)
            self.sets.append(keywords)
            # RFC 8621 §2: unread is what has neither $seen nor $draft
            self.unread.append(0 if "$seen" in keywords or "$draft" in keywords else 1)
        return number

    def union(self, numbers: Iterable[int]) -> int:
        """The set of an Email from those of its copies: everything that any copy has, $seen only if all have it."""
        distinct = tuple(sorted(set(numbers)))
        if len(distinct) == 1:
            return distinct[0]
        number = self._unions.get(distinct)
        if number is None:
            sets = [self.sets[one] for one in distinct]
            keywords = frozenset[str]().union(*sets)
            if not all("$seen" in one for one in sets):
                keywords -= {"$seen"}
            number = self._unions[distinct] = self.number(keywords)
        return number

    def having(self, keyword: str) -> list[int]:
        """For each set 1 if the keyword is in it, else 0."""
        return [1 if keyword in keywords else 0 for keywords in self.sets]
