"""The result of a bench: ratios with median and spread, beside the bars."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Table:
    """Rows are printed as they come and once more at the end. Bars pass or fail in print only; nothing is asserted."""

    rows: list[str] = field(default_factory=list)

    def ratio(
        self, what: str, ours: Sequence[float], base: Sequence[float], bar: float, base_name: str, block: int = 1
    ) -> None:
        """Seconds against seconds of interleaved runs, so many of each in turn: less is better."""
        ratio = statistics.median(ours) / statistics.median(base)
        turns = [one / other for one, other in zip(_medians(ours, block), _medians(base, block), strict=False)]
        shown = f"{_ms(ours)} : {_ms(base)} ms {base_name}; turns {min(turns):.2f}-{max(turns):.2f}"
        self._add(what, f"{ratio:.2f}", f"<= {bar:g}", ratio <= bar, shown)

    def rate(self, what: str, ours: Sequence[float], base: Sequence[float], bar: float, base_name: str) -> None:
        """Per second against per second: more is better."""
        ratio = statistics.median(ours) / statistics.median(base)
        shown = f"{_rate(ours)} : {_rate(base)} /s {base_name}"
        self._add(what, f"{ratio:.1f}", f">= {bar:g}", ratio >= bar, shown)

    def value(self, what: str, values: Sequence[float], bar: float | None, unit: str) -> None:
        """A figure with a bar of its own: less is better. Without a bar it is for information."""
        median = statistics.median(values)
        spread = f"{min(values):.1f}-{max(values):.1f}"
        wanted = "" if bar is None else f"<= {bar:g}"
        self._add(what, f"{median:.1f}", wanted, bar is None or median <= bar, f"{unit}; {spread}")

    def print(self) -> None:
        """All rows."""
        print("\n" + "\n".join(self.rows))

    def _add(self, what: str, figure: str, bar: str, passed: bool, detail: str) -> None:
        mark = "    " if not bar else "pass" if passed else "FAIL"
        row = f"{mark} {what:<58}{figure:>8} {bar:>8}   {detail}"
        self.rows.append(row)
        print(row, flush=True)


def _medians(values: Sequence[float], block: int) -> list[float]:
    return [statistics.median(values[start : start + block]) for start in range(0, len(values), block)]


def _ms(values: Sequence[float]) -> str:
    """Median and the middle half, in milliseconds."""
    if len(values) < 4:
        return f"{statistics.median(values) * 1e3:.2f}"
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle * 1e3:.2f} ({low * 1e3:.2f}-{high * 1e3:.2f})"


def _rate(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"
