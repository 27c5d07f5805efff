r"""The potential of a quantum dot from the density of its two electrons.

Two electrons in a singlet share the orbital :math:`\phi = \sqrt{n/2}`, which solves the Kohn-Sham
equation of the interacting density n exactly, so that

.. math::
   v = \frac{\hbar^2}{2m^*}\frac{\nabla^2\sqrt n}{\sqrt n} - \tfrac12 v_H[n] - v_c[n] + const,

with the Hartree potential :math:`v_H`, half of which exchange takes away. Only the correlation
:math:`v_c` is unknown; exact diagonalisation supplies it.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize_scalar

from qdens_nb import metrics
from qdens_nb._checks import check_choice
from qdens_nb.mpnn._condensate import Array, Box, check_map, check_positive
from qdens_nb.mpnn._pixel_fit import PixelNet, fit, quadratic_start
from qdens_nb.solvers import dot_ci
from qdens_nb.solvers._dot_coulomb import COULOMB, kernel
from qdens_nb.solvers._dot_orbitals import HBAR2_2M
from qdens_nb.systems import quantum_dot

#: share of the largest density below which the correlation is not taken from it
_TAIL = 1e-4
#: by how much the charge of a density may miss two electrons
_CHARGE = 0.05


def potential_from_density(
    data: xr.Dataset,
    *,
    method: str = "network",
    bounds: tuple[float, float] | None = None,
    corrections: int = 3,
    smoothing: float = 0.0,
    steps: int = 400,
    orbitals: int = 24,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Confinement of a dot from the density of its two electrons (singlet ground state).

    Parameters
    ----------
    data : Dataset
        ``density`` (x, y) in 1/nm^2 on the midpoints of a square of ``attrs["size_nm"]`` (30 nm
        if not given) and the material ``mass`` and ``eps_r`` (GaAs if not given); a potential in
        it is not looked at. Noise must not make the density negative.
    method : {"network", "direct"}
        "network" trains a potential until its orbital explains the density; "direct" divides the
        Laplacian of the root of the density by it.
    bounds : (float, float), optional
        Lowest and highest potential in eV, if known. Fixes the constant, which else is such that
        the mean over the density is zero.
    corrections : int
        Rounds in which exact diagonalisation supplies the correlation; 0 leaves it out.
    smoothing : float
        Width in pixels of a Gaussian that blurs the density before "direct" inverts it.
    steps : int
        Of L-BFGS; a quarter of them in later rounds.
    orbitals : int
        Of the exact diagonalisation.
    seed : int
        Of the network and of the pixels kept out.
    progress : bool

    Returns
    -------
    Dataset
        The problem with the potential found, as `solvers.dot_ci` solves it, with ``target`` (the
        density given), ``charge_displaced`` between both densities in electrons, and its
        ``history`` over the rounds; of these the best is returned.

    Raises
    ------
    ValueError
        A density that is negative, not finite, not one square map or not of two electrons.

    Examples
    --------
    >>> import qdens_nb as qd
    >>> x = qd.quantum_dot(np.zeros((32, 32))).x - 15
    >>> dot = qd.solvers.dot_ci(qd.quantum_dot(0.002 * (x**2 + x.rename(x="y") ** 2)), 12, modes=16)
    >>> found = potential_from_density(dot, method="direct", corrections=0, orbitals=12)
    >>> float(found.charge_displaced) < 0.1
    True
    """
    check_choice("method", method, ("network", "direct"))
    check_positive(zero=True, corrections=corrections, smoothing=smoothing, steps=steps)
    dot = _Dot(data, bounds, orbitals)
    density = dot.density
    if method == "direct":
        blurred = gaussian_filter(density, smoothing, mode="constant") if smoothing else density
        aim = dot.kohn_sham(blurred)
        potential = dot.anchored(aim - dot.hartree(density) / 2)
    else:
        net = PixelNet(
            dot.box,
            waves=8,
            base=quadratic_start(dot.box, density, dot.hartree(density) / 2),
            scale=float(dot.hartree(density).max()),
            bounds=bounds,
            seed=seed,
        )
        hartree, correlation = dot.hartree(density) / 2, np.zeros_like(density)
        potential = fit(
            net, dot.box, density, known=hartree, steps=steps, seed=seed, progress=progress
        ).potential
    best: xr.Dataset | None = None
    history: list[float] = []
    for number in range(corrections + 1):
        if method == "network" and number:
            potential = fit(
                net,
                dot.box,
                density,
                known=hartree + correlation,
                steps=steps // 4,
                warm_up=0,
                seed=seed,
                progress=progress,
            ).potential
        solved = dot.solved(potential)
        history.append(float(solved["charge_displaced"]))
        if best is None or history[-1] < min(history[:-1]):
            best = solved
        now = solved["density"].values
        seen = now / (now + _TAIL * now.max())
        if method == "direct":
            potential = dot.anchored(potential + seen * (aim - dot.kohn_sham(now)))
        else:
            alike = dot.orbital_density(potential + dot.hartree(now) / 2 + correlation)
            change = seen * (dot.kohn_sham(now) - dot.kohn_sham(alike))
            correlation = correlation + change - (change * now).sum() / now.sum()
    assert best is not None
    if bounds is None:
        best["potential"] = best["potential"] - dot.mean(best["potential"].values)
        best["potential"].attrs.update(units="eV", long_name="potential recovered")
    best["history"] = ("round", history)
    best["history"].attrs.update(units="1", long_name="charge displaced, round by round")
    options: dict[str, Any] = {
        "method": method,
        "bounds": bounds,
        "corrections": corrections,
        "steps": steps,
    }
    options |= {"smoothing": smoothing, "orbitals": orbitals, "seed": seed}
    best.attrs.update(recovered_by="potential_from_density", options=json.dumps(options))
    return best


class _Dot:
    """A measured density with everything that is known of the dot."""

    def __init__(self, data: xr.Dataset, bounds: tuple[float, float] | None, orbitals: int) -> None:
        if not isinstance(data, xr.Dataset) or "density" not in data:
            raise ValueError("give a Dataset with 'density' (x, y) in 1/nm^2")
        density = check_map("density", data["density"])
        if density.shape[0] != density.shape[1]:
            raise ValueError(f"density has shape {density.shape}; a square grid is needed")
        size = float(data.attrs.get("size_nm", 30.0))
        self.step, self.bounds, self.orbitals = size / len(density), bounds, orbitals
        charge = float(density.sum()) * self.step**2
        if abs(charge - 2) > _CHARGE:
            raise ValueError(
                f"density holds {charge:.4g} electrons in a square of {size:g} nm; it must hold "
                "two: rescale it, or set attrs['size_nm']"
            )
        if bounds is not None and not (len(bounds) == 2 and bounds[0] < bounds[1]):
            raise ValueError(f"bounds={bounds!r}; give (low, high) in eV with low < high")
        self.density: Array = density * 2 / charge
        material = {
            name: float(data[name]) if name in data else default
            for name, default in (("mass", 0.067), ("eps_r", 12.9))
        }
        self.problem = {"size": size} | material
        self.coulomb = COULOMB / material["eps_r"]
        shape = (len(density), len(density))
        self.box = Box(shape, self.step, HBAR2_2M / material["mass"])

    def hartree(self, density: Array) -> Array:
        """Potential of all charge in eV."""
        points = len(density)
        wide = np.pad(density * self.step, ((0, points), (0, points)))
        image = np.fft.rfft2(kernel(points)) * np.fft.rfft2(wide)
        return self.coulomb * np.fft.irfft2(image, s=wide.shape)[:points, :points]

    def kohn_sham(self, density: Array) -> Array:
        """Potential in which the root of a density is an orbital, up to a constant."""
        return self.box.local_energy(density)

    def orbital_density(self, potential: Array) -> Array:
        """Density of two electrons in the lowest orbital."""
        return 2 * (self.box.ground_state(potential)[0] / self.step) ** 2

    def mean(self, values: Array) -> float:
        """Mean over the density."""
        return float((values * self.density).sum() / self.density.sum())

    def anchored(self, potential: Array) -> Array:
        """With the constant that fits into the bounds best, and cut to them."""
        if self.bounds is None:
            return potential - self.mean(potential)
        low, high = self.bounds

        def cut(constant: float) -> float:
            moved = potential + constant
            return self.mean((np.clip(moved, low, high) - moved) ** 2)

        middle = self.mean(potential)
        trials = np.linspace(low, high, 101) - middle
        first = trials[int(np.argmin([cut(trial) for trial in trials]))]
        reach = trials[1] - trials[0]
        constant = minimize_scalar(cut, bounds=(first - reach, first + reach), method="bounded").x
        return np.clip(potential + constant, low, high)

    def solved(self, potential: Array) -> xr.Dataset:
        """The dot of a potential by exact diagonalisation, beside the density that was given."""
        points = len(potential)
        solved = dot_ci(
            quantum_dot(potential, **self.problem),
            orbitals=self.orbitals,
            modes=min(32, points // 2),
        )
        size = self.problem["size"]
        moved = float(metrics.displaced_charge(solved["density"].values, self.density, size=size))
        solved["target"] = (("x", "y"), self.density)
        solved["target"].attrs.update(units="1/nm^2", long_name="density that was given")
        solved["charge_displaced"] = moved
        solved["charge_displaced"].attrs.update(units="1", long_name="charge displaced, electrons")
        return solved
