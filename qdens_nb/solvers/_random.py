"""xoshiro256++ for compiled code: explicit state, one stream a chain."""

from __future__ import annotations

import numpy as np
from numba import njit


def stream(seed: np.random.SeedSequence) -> np.ndarray:
    """State of one generator, (4,) uint64."""
    return seed.generate_state(4, np.uint64)


@njit(cache=True, inline="always")
def _rotate(x, k):
    return (x << np.uint64(k)) | (x >> np.uint64(64 - k))


@njit(cache=True, inline="always")
def uniform(state):
    """A number in (0, 1), never 0 and never 1."""
    s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    result = _rotate(s0 + s3, 23) + s0
    t = s1 << np.uint64(17)
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= t
    s3 = _rotate(s3, 45)
    state[0], state[1], state[2], state[3] = s0, s1, s2, s3
    return (np.float64(result >> np.uint64(12)) + 0.5) * 2.0**-52
