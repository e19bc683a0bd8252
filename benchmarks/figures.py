"""What is reported: figures, and the table of all of them."""

from collections.abc import Callable, Sequence
from statistics import median, quantiles

from attrs import frozen


@frozen
class Figure:
    """
    One line of the table.

    :ivar aim: what it should be, in words; "" if it is only there to be compared with.
    """

    name: str
    measured: str
    aim: str = ""
    reached: bool | None = None


def spread(values: Sequence[float], shown: Callable[[float], str]) -> str:
    """The median, and how far apart the values were."""
    return f"{shown(median(values))} ({shown(min(values))} to {shown(max(values))})"


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that ``percent`` percent of the values do not exceed."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def percentiles(seconds: Sequence[float]) -> str:
    """What 50, 90 and 99 percent of the values do not exceed."""
    return ", ".join(f"p{percent} {milliseconds(percentile(seconds, percent))}" for percent in (50, 90, 99))


def percents(ratio: float) -> str:
    return f"{ratio:.0%}"


def times(ratio: float) -> str:
    return f"{ratio:.1f} x"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.{0 if seconds >= 0.02 else 1}f} ms"


def table(figures: Sequence[Figure]) -> str:
    """All figures, one below the other."""
    words = {True: "yes", False: "NO", None: ""}
    rows = [("figure", "measured", "aim", "reached")]
    rows += [(figure.name, figure.measured, figure.aim, words[figure.reached]) for figure in figures]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-+-".join("-" * width for width in widths), *lines[1:]])
