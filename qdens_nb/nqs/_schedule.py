"""Learning rates, diagonal shifts: a number, a pair (first, last) or a function of the step."""

from __future__ import annotations

from collections.abc import Callable

Schedule = float | tuple[float, float] | Callable[[int], float]


def schedule(value: Schedule, steps: int, name: str) -> Callable[[int], float]:
    """A function of the step; a pair goes geometrically from the first to the last value.

    Raises
    ------
    ValueError
        A value that is not positive.

    Examples
    --------
    >>> rate = schedule((0.1, 0.001), 3, "learning_rate")
    >>> [round(rate(step), 4) for step in range(3)]
    [0.1, 0.01, 0.001]
    """
    if callable(value):
        return value
    pair = value if isinstance(value, tuple) else (value, value)
    if len(pair) != 2 or not all(number > 0 for number in pair):
        raise ValueError(f"{name}={value!r}; expected a positive number or a pair of them")
    first, last = pair
    return lambda step: first * (last / first) ** (step / max(1, steps - 1))
