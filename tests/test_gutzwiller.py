"""Gutzwiller mean field: lobes, steps and limits in closed form, bounds, symmetries, gradients."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.optimize
import torch
import xarray as xr

import qdens_nb as qd
from qdens_nb.solvers._bose_common import checkerboard, neighbours
from qdens_nb.solvers._gutzwiller import gutzwiller_fields, two_sublattice
from qdens_nb.solvers._gutzwiller_torch import gutzwiller_density, gutzwiller_torch


def noise(shape, spread, seed, batch=1):
    return np.random.default_rng(seed).uniform(-spread, spread, (batch, *shape))


def random_problem(seed, shape=(4, 4), samples=2, T=0.4, **couplings):
    options = {"U": 12.0, "V": 2.0, "mu": 8.0, "T": T} | couplings
    dims = ("sample", "x", "y")[: 1 + len(shape)]
    potential = xr.DataArray(noise(shape, 4.0, seed, samples), dims=dims)
    return qd.bose_hubbard(potential if samples > 1 else potential[0], **options)


def local_state(mu, U, neighbour_n, neighbour_phi, V, T, n_max):
    """Density and <b> of one site, by a dense eigensolver."""
    n = np.arange(n_max + 1.0)
    b = np.diag(np.sqrt(n[1:]), 1)
    h = np.diag(0.5 * U * n * (n - 1) - (mu - V * neighbour_n) * n) - neighbour_phi * (b + b.T)
    levels, states = np.linalg.eigh(h)
    p = np.exp(-(levels - levels[0]) / T) if T else (levels == levels[0]).astype(float)
    p /= p.sum()
    return ((states**2 @ p) @ n, np.einsum("ik,k,jk,ij->", states, p, states, b))


class TestPhaseDiagram:
    def test_mott_boundary_of_the_ground_state(self):
        def boundary(mu, n):  # 1/(z t/U) = (n+1)/(n - mu/U) + n/(mu/U - n + 1)
            return 1.0 / ((n + 1) / (n - mu) + n / (mu - n + 1))

        for n, mu in ((1, 0.1), (1, np.sqrt(2) - 1), (1, 0.8), (2, 1.2), (2, 1.7)):
            zt = boundary(mu, n) * np.array([0.999, 1.001])
            n_a, n_b, phi, _ = two_sublattice(mu=mu * 4 / zt, U=4 / zt, n_max=5)
            assert phi[0] < 1e-6 and n_a[0] == pytest.approx(n, abs=1e-9)
            assert phi[1] > 1e-3
            np.testing.assert_allclose(n_a, n_b, atol=1e-6)
        tip = boundary(np.sqrt(2) - 1, 1) / 4
        assert tip == pytest.approx((3 - 2 * np.sqrt(2)) / 4, abs=1e-12)

    def test_condensation_temperature(self):
        T, n_max = 1.0, 3

        def excess(U):  # z chi - 1 with chi the response of <b> without a condensate
            n = np.arange(n_max + 1)
            e = 0.5 * U * n * (n - 1) - 0.4 * U * n
            p = np.exp(-(e - e.min()) / T)
            p /= p.sum()
            return 4 * np.sum((n[1:]) * (p[:-1] - p[1:]) / (e[1:] - e[:-1])) - 1

        U = scipy.optimize.brentq(excess, 5.0, 40.0)
        phi = two_sublattice(mu=0.4 * U * np.array([0.999, 1.001]), U=U * np.array([0.999, 1.001]),
                             T=T)[2]  # fmt: skip
        assert phi[0] > 1e-2 and phi[1] < 1e-6

    def test_steps_without_hopping(self):
        U = 1e5
        mu = np.array([-0.05, 0.05, 0.95, 1.05, 1.95, 2.05, 2.95])
        n_a, n_b, _, _ = two_sublattice(mu=U * mu, U=U, V=1.5 * U / 4)
        np.testing.assert_allclose(n_a, [0, 1, 1, 2, 2, 3, 3], atol=1e-4)
        np.testing.assert_allclose(n_b, 0, atol=1e-4)
        mu = np.array([-0.05, 0.05, 0.95, 1.05, 1.95, 2.05, 2.95, 3.05])
        n_a, n_b, _, _ = two_sublattice(mu=U * mu, U=U, V=U / 4)
        np.testing.assert_allclose(n_a + n_b, [0, 1, 1, 2, 2, 3, 3, 4], atol=1e-4)

    @pytest.mark.parametrize("V", [0.0, 1.0])
    def test_hard_core_superfluid(self, V):
        mu = np.array([-3.9, -1.0, 0.0, 2.0])
        n_a, n_b, phi, _ = two_sublattice(mu=mu, U=1.0, V=V, n_max=1)
        expected = (4 + mu) / (8 + 4 * V)  # of -4 n (1 - n) + 2 V n^2 - mu n
        np.testing.assert_allclose(n_a, expected, atol=1e-7)
        np.testing.assert_allclose(n_b, expected, atol=1e-7)
        np.testing.assert_allclose(phi**2, expected * (1 - expected), atol=1e-7)

    def test_near_the_tip_the_order_parameter_is_the_minimum_found_by_search(self):
        U = 4 / ((3 - 2 * np.sqrt(2)) * (1 + np.array([1e-4, 1e-3, 1e-2])))
        mu = (np.sqrt(2) - 1) * U
        problem = qd.bose_hubbard(np.zeros((3, 4, 4)), U=U, mu=mu, T=0.0, n_max=4)
        found = qd.solvers.gutzwiller(problem)
        assert (found.converged == 1).all()

        def grand(phi, u, m):
            n = np.arange(5.0)
            off = -4 * phi * np.sqrt(n[1:])
            h = np.diag(0.5 * u * n * (n - 1) - m * n) + np.diag(off, 1) + np.diag(off, -1)
            return np.linalg.eigvalsh(h)[0] + 4 * phi**2

        for i in range(3):
            best = scipy.optimize.minimize_scalar(grand, (0.02, 0.1), args=(U[i], mu[i]), tol=1e-12)
            assert abs(best.x) > 1e-3
            np.testing.assert_allclose(found.order_parameter[i], abs(best.x), rtol=2e-4)

    def test_shapes_broadcast(self):
        found = two_sublattice(mu=np.linspace(0, 20, 3)[:, None], U=[10.0, 30.0], V=2.0, T=0.5)
        assert all(part.shape == (3, 2) for part in found)
        assert (found[0] >= found[1]).all()


class TestSolution:
    @pytest.mark.parametrize("T", [0.0, 0.6])
    def test_self_consistent(self, T):
        problem = random_problem(0, (4, 6), T=T)
        found = qd.solvers.gutzwiller(problem)
        near = neighbours((4, 6))
        for i in range(2):
            n, phi = found.density[i].values.ravel(), found.order_parameter[i].values.ravel()
            mu = (problem.mu[i] if problem.mu.ndim else problem.mu).item() - problem.potential[i]
            for site in range(24):
                again = local_state(
                    mu.values.flat[site],
                    12.0,
                    n[near[site]].sum(),
                    phi[near[site]].sum(),
                    2.0,
                    T,
                    3,
                )
                np.testing.assert_allclose((n[site], phi[site]), again, atol=2e-7)

    def test_without_interaction_and_condensate_a_site_is_alone(self):
        n = np.arange(31)
        weights = np.exp(-6.0 * n / 1.5)
        found = qd.solvers.gutzwiller(
            qd.bose_hubbard(np.zeros((2, 4)), U=0.0, mu=-6.0, T=1.5, n_max=30)
        )
        np.testing.assert_allclose(found.density, (weights @ n) / weights.sum(), atol=1e-10)
        np.testing.assert_allclose(found.order_parameter, 0, atol=1e-6)
        assert float(found.clipped) == pytest.approx(weights[-1] / weights.sum(), rel=1e-6)

    def test_infinite_temperature(self):
        found = qd.solvers.gutzwiller(random_problem(1, T=1e6, n_max=4))
        np.testing.assert_allclose(found.density, 2.0, atol=1e-3)
        np.testing.assert_allclose(found.density_squared, 6.0, atol=1e-2)
        np.testing.assert_allclose(found.clipped, 0.2, atol=1e-3)

    @pytest.mark.parametrize("T", [0.0, 0.8])
    def test_an_upper_bound_of_the_exact_grand_potential(self, T):
        for shape in ((2, 2), (4,), (6,)):
            problem = random_problem(2, shape, samples=3, T=T, n_max=2)
            exact, found = qd.solvers.bose_hubbard_ed(problem), qd.solvers.gutzwiller(problem)
            assert (found.grand_potential > exact.grand_potential).all()
            assert (found.converged == 1).all()

    def test_what_is_returned_hangs_together(self):
        U = np.random.default_rng(3).uniform(8, 16, (4, 4))
        problem = random_problem(3, T=0.0, samples=1)
        problem["U"] = (("x", "y"), U)
        found = qd.solvers.gutzwiller(problem)
        assert float(found.grand_potential) == pytest.approx(
            float(found.energy - found.mu * found.particle_number), abs=1e-8
        )
        np.testing.assert_allclose(found.particle_number, found.density.sum())
        assert (found.density_squared >= found.density**2 - 1e-9).all()
        phi = found.order_parameter
        np.testing.assert_allclose(found.coherence.sel(direction="y"), phi * phi.roll(y=-1))
        assert 0 <= float(found.clipped) <= 1

    @pytest.mark.parametrize("T", [0.0, 0.5])
    def test_derivatives_of_the_grand_potential(self, T):
        mu, U, step = 8.0 - noise((4, 4), 3.0, 4), 12.0, 1e-4

        def solve(mu, U=U, V=1.0, T=T):
            return gutzwiller_fields(mu, U, V, T, tolerance=1e-10)

        def slope(up, down):
            return (up.grand_potential - down.grand_potential)[0] / (2 * step)

        found = solve(mu)
        for site in ((0, 0), (1, 2)):
            shift = np.zeros_like(mu)
            shift[0][site] = step
            number = -slope(solve(mu + shift), solve(mu - shift))
            assert number == pytest.approx(found.density[0][site], abs=1e-6)
        n, squared = found.density[0], found.density_squared[0]
        pairs = 0.5 * (squared - n).sum()
        assert slope(solve(mu, U + step), solve(mu, U - step)) == pytest.approx(pairs, abs=1e-6)
        nn = sum((n * np.roll(n, 1, axis)).sum() for axis in (0, 1))
        assert slope(solve(mu, V=1 + step), solve(mu, V=1 - step)) == pytest.approx(nn, abs=1e-6)

    def test_ring_of_four_is_a_torus_with_half_the_bonds(self):
        ring = gutzwiller_fields(np.full((1, 8), 5.0), 12.0, 2.0, 0.3)
        n_a, _, phi_a, _ = two_sublattice(mu=5.0, U=12.0, V=2.0, T=0.3, z=2)
        np.testing.assert_allclose(ring.density[0, ::2], n_a, atol=1e-6)
        np.testing.assert_allclose(ring.phi[0, ::2], phi_a, atol=1e-6)

    def test_no_convergence_is_admitted(self):
        hard = random_problem(5, T=0.1, mu=12.0, V=4.0)
        found = qd.solvers.gutzwiller(hard, max_iterations=2, start="uniform")
        assert (found.converged == 0).all()
        assert (found.residual > 1e-8).all()

    def test_leaves_a_saddle(self):
        problem = qd.bose_hubbard(np.zeros((4, 4)), U=40.0, V=15.0, mu=20.0, T=0.0)
        found = qd.solvers.gutzwiller(problem, start=np.full((4, 4), 0.4))
        best = qd.solvers.gutzwiller(problem)
        assert float(found.converged) == 1
        assert float(found.grand_potential) == pytest.approx(float(best.grand_potential), abs=1e-8)

    def test_batch_equals_single(self):
        problem = random_problem(6, samples=3)
        batch = qd.solvers.gutzwiller(problem)
        for i in range(3):
            one = qd.solvers.gutzwiller(problem.isel(sample=i))
            np.testing.assert_array_equal(one.density, batch.density[i])


class TestSectors:
    def test_forced_sector(self):
        problem = qd.bose_hubbard(np.zeros((4, 6)), U=20.0, V=7.0, mu=9.0, T=0.3)
        even, odd = (qd.solvers.gutzwiller(problem, start=s) for s in ("even", "odd"))
        assert (int(even.sector), int(odd.sector)) == (0, 1)
        np.testing.assert_allclose(even.density, odd.density.roll(x=1), atol=1e-7)
        staggered = (checkerboard((4, 6)) * even.density).mean()
        assert float(staggered) > 0.4
        auto = qd.solvers.gutzwiller(problem)
        assert float(auto.grand_potential) == pytest.approx(float(even.grand_potential), abs=1e-8)

    def test_a_staggered_field_decides(self):
        for sign in (1, -1):
            problem = qd.bose_hubbard(-sign * checkerboard((4, 4)), U=20.0, V=7.0, mu=9.0)
            assert int(qd.solvers.gutzwiller(problem).sector) == (sign < 0)

    def test_both_agree_where_no_checkerboard_is_stable(self):
        mu = 6.0 - noise((6, 6), 3.0, 7, batch=3)
        even, odd = (gutzwiller_fields(mu, 10.0, 1.5, 0.5, start=s) for s in ("even", "odd"))
        for a, b in zip(even, odd, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)

    @pytest.mark.parametrize("V", [1.0, 6.0])
    def test_symmetries_of_the_square(self, V):
        mu = 10.0 - noise((6, 6), 2.0, 8)

        def density(mu, start):
            return gutzwiller_fields(mu, 20.0, V, 0.3, start=start, tolerance=1e-9).density

        even = density(mu, "even")
        for image in (
            lambda a: a.transpose(0, 2, 1),
            lambda a: np.roll(a, (2, 4), (1, 2)),
            lambda a: np.roll(a[:, ::-1], 1, 1),
        ):
            np.testing.assert_allclose(density(image(mu), "even"), image(even), atol=1e-6)
        shifted = density(np.roll(mu, 1, 1), "odd")
        np.testing.assert_allclose(shifted, np.roll(even, 1, 1), atol=1e-6)

    def test_more_starts_never_raise_the_grand_potential(self):
        potential = 10.0 * np.random.default_rng(9).normal(size=(6, 6))
        problem = qd.bose_hubbard(potential, U=30.0, V=8.0, mu=35.0)
        grand = [float(qd.solvers.gutzwiller(problem, starts=k).grand_potential) for k in (1, 2, 4)]
        assert (np.diff(grand) < 1e-6).all()


class TestTorch:
    @pytest.mark.parametrize(
        "U, V, T, mu", [(16.0, 0.0, 0.0, 8.0), (16.0, 3.0, 0.5, 10.0), (30.0, 8.0, 2.0, 20.0)]
    )
    def test_gradients(self, U, V, T, mu):
        generator = torch.Generator().manual_seed(0)
        rand = lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=generator)  # noqa: E731
        inputs = [mu + 2 * rand(2, 2, 4), U + rand(2, 2, 4).abs(), V + rand(2).abs() / 5]
        inputs = [a.requires_grad_() for a in inputs]
        temperature = torch.full((2,), T, dtype=torch.float64, requires_grad=T > 0)

        def layer(*a):
            return tuple(gutzwiller_torch(*a, starts=1, tolerance=1e-11))

        assert torch.autograd.gradcheck(
            layer, (*inputs, temperature), eps=1e-5, atol=1e-5, rtol=1e-4
        )

    def test_single_precision_and_numbers_for_couplings(self):
        mu = torch.full((2, 4, 4), 5.0, requires_grad=True)
        density = gutzwiller_density(mu, U=20.0, V=1.0, T=0.5)
        assert density.dtype == torch.float32
        density.sum().backward()
        expected = gutzwiller_fields(np.full((2, 4, 4), 5.0), 20.0, 1.0, 0.5, start="auto").density
        np.testing.assert_allclose(density.detach(), expected, atol=1e-6)
        assert (mu.grad > 0).all()

    def test_the_solver_does_not_import_torch(self):
        code = (
            "import sys, qdens_nb, qdens_nb.solvers._gutzwiller;"
            "assert 'torch' not in sys.modules, 'torch was imported'"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


class TestErrors:
    def test_errors_name_what_is_allowed(self):
        problem = qd.bose_hubbard(np.zeros((4, 4)))
        with pytest.raises(ValueError, match=r"'auto', 'even', 'odd'"):
            qd.solvers.gutzwiller(problem, start="checkerboard")
        with pytest.raises(ValueError, match="1 to 4"):
            qd.solvers.gutzwiller(problem, starts=0)
        with pytest.raises(ValueError, match="even sides"):
            gutzwiller_fields(np.zeros((1, 3, 4)), 1.0, 0.0, 0.0)
        with pytest.raises(ValueError, match="V has shape"):
            gutzwiller_fields(np.zeros((2, 4, 4)), 1.0, np.zeros(3), 0.0)
        with pytest.raises(ValueError, match="NaN"):
            gutzwiller_fields(np.full((1, 4, 4), np.nan), 1.0, 0.0, 0.0)
        with pytest.raises(ValueError, match="T >= 0"):
            gutzwiller_fields(np.zeros((1, 4, 4)), 1.0, 0.0, -1.0)
        with pytest.raises(ValueError, match="T >= 0"):
            two_sublattice(1.0, 1.0, T=-1.0)
