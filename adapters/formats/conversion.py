"""What a conversion did with the data: what was kept where, and what a round trip would change."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Report:
    """Lines for people: what was broken, remarks while converting, what was kept, what a round trip loses and adds."""

    broken: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether a round trip changes nothing."""
        return not (self.broken or self.lost or self.added)

    def lines(self) -> Iterator[str]:
        """The report as text."""
        sections = (
            ("broken, read all the same", self.broken),
            ("converted with a remark", self.remarks),
            ("no equivalent, kept", self.kept),
            ("lost by a round trip", self.lost),
            ("added by a round trip", self.added),
        )
        for title, items in sections:
            yield f"{title}: {len(items) or 'nothing'}"
            yield from (f"  {item}" for item in items)
