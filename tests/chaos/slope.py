"""Straight lines through samples. Pure."""

from collections.abc import Sequence


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the rise of y per unit of x by least squares; 0 for fewer than two different x."""
    if not points:
        return 0.0
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0
