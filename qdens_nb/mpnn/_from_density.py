r"""The potential of a quantum dot from its density, and of trapped atoms from their image.

Two electrons in a singlet share the orbital :math:`\phi = \sqrt{n/2}`, which solves the Kohn-Sham
equation of the interacting density n exactly, so that

.. math::
   v = \frac{\hbar^2}{2m^*}\frac{\nabla^2\sqrt n}{\sqrt n} - \tfrac12 v_H[n] - v_c[n] + const,

with the Hartree potential :math:`v_H`, half of which exchange takes away. Only the correlation
:math:`v_c` is unknown; exact diagonalisation supplies it. A condensate obeys the same equation with
:math:`g\,n` in place of the middle term and nothing unknown.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize_scalar

from qdens_nb import metrics
from qdens_nb._checks import check_choice, check_potential
from qdens_nb.mpnn._condensate import Array, Box, check_positive, image_dataset
from qdens_nb.mpnn._pixel_fit import PixelNet, fit, quadratic_start
from qdens_nb.solvers import dot_ci
from qdens_nb.solvers._dot_coulomb import COULOMB, kernel
from qdens_nb.solvers._dot_orbitals import HBAR2_2M
from qdens_nb.systems import quantum_dot

#: share of the largest density below which the correlation is not taken from it
_TAIL = 1e-4
#: width in pixels of the blur of the image from which a network starts
_BLUR = 2.0
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
    options = {"method": method, "bounds": bounds, "corrections": corrections, "steps": steps}
    options |= {"smoothing": smoothing, "orbitals": orbitals, "seed": seed}
    best.attrs.update(recovered_by="potential_from_density", options=json.dumps(options))
    return best


class _Dot:
    """A measured density with everything that is known of the dot."""

    def __init__(self, data: xr.Dataset, bounds: tuple[float, float] | None, orbitals: int) -> None:
        if not isinstance(data, xr.Dataset) or "density" not in data:
            raise ValueError("give a Dataset with 'density' (x, y) in 1/nm^2")
        density = _map("density", data["density"])
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
        return _local_energy(self.box, density)

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


def trap_from_image(
    counts: Any,
    spacing: float,
    g: float,
    *,
    atoms: float | None = None,
    method: str = "network",
    smoothing: float = 0.0,
    members: int = 4,
    images: int = 0,
    steps: int = 100,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Trap of a Bose-Einstein condensate from an image of its atoms.

    ``V = mu - g n + laplace(sqrt(n)) / (2 sqrt(n))`` in oscillator units.

    Parameters
    ----------
    counts : array or DataArray, (x, y)
        Atoms (or photons) counted in each pixel; the cloud must end inside the image. Images of
        equal clouds may be added up.
    spacing : float
        Side of a pixel.
    g : float
        Coupling of two atoms in two dimensions.
    atoms : float, optional
        Atoms in one cloud; default: as many as were counted.
    method : {"network", "direct", "thomas_fermi"}
        "network" trains a potential whose ground state makes the image most likely; "direct" takes
        the formula; "thomas_fermi" leaves the Laplacian out.
    smoothing : float
        Width in pixels of a Gaussian that blurs the image, for the latter two.
    members : int
        Networks, each with its own start and pixels kept out; the mean potential is returned.
    images : int
        Images drawn from the density found and inverted again, each by one network; their spread
        is the ``potential_stderr``. Two or more, or none.
    steps : int
        Of L-BFGS.
    seed : int
        Of the network, the pixels kept out and the images drawn.
    progress : bool

    Returns
    -------
    Dataset
        ``potential`` with zero mean over the atoms (the image leaves a constant open), ``density``
        (that of the ground state found, for "network"), ``mu``; ``seen``, where one tenth of the
        mean density inside the cloud is exceeded: elsewhere the potential is not known.

    Raises
    ------
    ValueError
        Counts that are negative, not finite, all zero or no map; numbers that cannot be.

    Examples
    --------
    >>> x = (np.arange(32) - 15.5) * 0.4
    >>> from qdens_nb.mpnn import condensate
    >>> image = condensate((x[:, None] ** 2 + x**2) / 2, 0.4, g=0.1, atoms=1e3).density * 0.4**2
    >>> found = trap_from_image(image, 0.4, g=0.1, method="direct")
    >>> round(float(found.potential[16, 24] - found.potential[16, 16]), 2)
    5.76
    """
    check_choice("method", method, ("network", "direct", "thomas_fermi"))
    check_positive(spacing=spacing)
    check_positive(zero=True, g=g, smoothing=smoothing, steps=steps)
    image = _map("counts", counts)
    total = float(image.sum())
    if total <= 0:
        raise ValueError("counts are all zero; there is nothing to invert")
    if members < 1:
        raise ValueError(f"members={members!r}; give at least 1")
    if images not in (0, *range(2, 1000)):
        raise ValueError(f"images={images!r}; give 0, or 2 and more for a spread")
    number = total if atoms is None else float(atoms)
    check_positive(atoms=number)
    box = Box((image.shape[0], image.shape[1]), float(spacing))
    strength = g * number / spacing**2

    def invert(picture: Array, seed: int, members: int) -> tuple[Array, Array]:
        share = picture / picture.sum()
        if method == "network":
            base = quadratic_start(box, picture, strength * gaussian_filter(share, _BLUR))
            found = [
                fit(
                    PixelNet(box, waves=4, base=base, seed=seed + member),
                    box,
                    picture,
                    strength=strength,
                    steps=steps,
                    seed=seed + member,
                    progress=progress,
                ).potential
                for member in range(members)
            ]
            potential = np.mean(found, axis=0)
            share = box.ground_state(potential, strength, np.sqrt(share))[0] ** 2
        else:
            share = gaussian_filter(share, smoothing, mode="constant") if smoothing else share
            potential = -strength * share
            if method == "direct":
                potential = potential + _local_energy(box, share, 0.1 / total)
        return potential - float((potential * share).sum() / share.sum()), share

    potential, share = invert(image, seed, members)
    psi = np.sqrt(share)
    moving = -0.5 * float((psi * box.laplacian(psi)).sum()) if method != "thomas_fermi" else 0.0
    fields = {
        "potential": (potential, "hbar omega", "trap recovered"),
        "density": (number * share / spacing**2, "1/a^2", "density of the atoms"),
        "mu": (moving + strength * float((share**2).sum()), "hbar omega", "chemical potential"),
        "seen": (share > 0.1 * (share**2).sum(), "", "where the trap is known"),
    }
    if images:
        rng = np.random.default_rng(seed)
        again = [
            invert(1.0 * rng.poisson(total * share), seed + members + i, 1)[0]
            for i in range(images)
        ]
        spread = np.std(again, axis=0, ddof=1)
        fields["potential_stderr"] = (spread, "hbar omega", "standard error of the potential")
    options = {"method": method, "smoothing": smoothing, "images": images, "steps": steps}
    options |= {"members": members, "seed": seed}
    return image_dataset(
        box,
        fields,
        {
            "g": float(g),
            "atoms": number,
            "counted": total,
            "spacing": float(spacing),
            "options": json.dumps(options),
        },
    )


def _local_energy(box: Box, density: Array, least: float = 0.0) -> Array:
    """a laplace(sqrt(n)) / sqrt(n); `least` stands for densities below it in the denominator."""
    least = max(least, 1e-12 * float(density.max()))
    return box.scale * box.laplacian(np.sqrt(density)) / np.sqrt(np.maximum(density, least))


def _map(name: str, values: Any) -> Array:
    """One finite map that is nowhere negative."""
    try:
        array = check_potential(values, ("x", "y"), min_sites=8)
    except ValueError as error:
        raise ValueError(str(error).replace("potential", name)) from None
    if array.ndim != 2:
        raise ValueError(f"{name} has dims {array.dims}; give one map with dims ('x', 'y')")
    lowest = float(array.min())
    if lowest < 0:
        raise ValueError(f"{name} has the negative value {lowest:g}; cut it at zero")
    return array.values
