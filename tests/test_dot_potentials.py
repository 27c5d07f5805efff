"""Confinement of dots: the paper's random clusters, and designed shapes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from qdens_nb import potentials


def test_clusters_are_connected_flat_and_not_too_large() -> None:
    dots = potentials.quantum_well_cluster(samples=12, seed=0)
    assert set(np.unique(dots)) == {0.0, 0.5}
    wells = dots.values == 0
    assert wells.mean((1, 2)).max() <= 0.8
    assert [label(well, np.ones((3, 3)))[1] for well in wells] == [1] * 12


def test_first_clusters_do_not_depend_on_the_number() -> None:
    few, many = (potentials.quantum_well_cluster(samples=n, seed=7) for n in (2, 4))
    assert np.array_equal(few, many[:2])
    one = potentials.quantum_well_cluster(seed=7)
    assert np.array_equal(one, few[0])


def test_one_well_is_a_disc_of_an_allowed_radius() -> None:
    dots = potentials.quantum_well_cluster(128, wells=1, samples=40, seed=1).values == 0
    inside = ~(dots[:, [0, -1]].any((1, 2)) | dots[:, :, [0, -1]].any((1, 2)))
    radii = np.sqrt(dots[inside].mean((1, 2)) / np.pi)
    assert 1 / 16 - 0.005 < radii.min() and radii.max() < 1 / 8 + 0.005


def test_step_for_each_sample() -> None:
    dots = potentials.quantum_well_cluster(samples=3, step=np.array([0.2, 0.5, 1.0]), seed=1)
    assert dots.max(("x", "y")).values.tolist() == [0.2, 0.5, 1.0]
    assert dots.step.dims == ("sample",)


def test_symmetric_shapes() -> None:
    ring, cross, double = potentials.ring_dot(), potentials.cross_dot(), potentials.double_dot()
    for dot in (ring.values, cross.values):
        assert np.array_equal(dot, dot.T) and np.array_equal(dot, dot[::-1])
    assert np.array_equal(double.values, double.values[:, ::-1])
    area = float((ring == 0).mean())
    assert area == pytest.approx(2 * np.pi * 0.3 * 0.12, rel=0.03)


def test_designed_dots_take_turns() -> None:
    dots = potentials.designed_dots(samples=8, seed=2)
    assert dots.outline.values.tolist() == ["double", "ring", "cross", "polygon"] * 2
    assert (dots == 0).mean(("x", "y")).min() > 0.04


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: potentials.quantum_well_cluster(wells=0, seed=0), "at least 1"),
        (lambda: potentials.quantum_well_cluster(radius=(0.2, 0.1), seed=0), "smallest"),
        (lambda: potentials.quantum_well_cluster(step=-1.0, seed=0), "positive height"),
        (lambda: potentials.quantum_well_cluster(2, seed=0), "at least 4"),
        (lambda: potentials.quantum_well_cluster(
            wells=60, radius=(0.4, 0.5), overlap=0.1, seed=0), "no place"),
        (lambda: potentials.ring_dot(radius=0.49), "width / 2"),
        (lambda: potentials.double_dot(distance=0.9), "in the square"),
        (lambda: potentials.dot_from_mask(np.zeros((8, 8))), "no well"),
        (lambda: potentials.dot_from_mask(np.zeros((8, 9))), "points, points"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
