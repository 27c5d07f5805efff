r"""Ground states of one orbital in a box of pixels, free or self-interacting, and their response.

.. math:: [-a \nabla^2 + V(r) + g\,n(r)]\,\psi(r) = \mu\,\psi(r), \qquad n = N\psi^2

With a = 1/2 it is the Gross-Pitaevskii equation of a Bose-Einstein condensate of N atoms in
oscillator units; with g = 0 and :math:`a = \hbar^2/2m^*` that of one electron in a quantum dot. The
basis is that of sines with half as many modes as pixels, so that :math:`\psi^2` is exact on the
pixels; :math:`\psi` vanishes at the border.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from qdens_nb._checks import check_potential
from qdens_nb.solvers._dot_orbitals import sines

Array = NDArray[np.float64]

#: iterations of the ground state and of its response
_ITERATIONS = 400
_BINOMIAL = np.array([1.0, 4.0, 6.0, 4.0, 1.0])


class Box:
    """A rectangle of pixels with hard walls.

    Parameters
    ----------
    shape : (int, int)
        Pixels along x and y.
    spacing : float
        Side of a pixel.
    kinetic : float
        a of the equation above.
    """

    def __init__(self, shape: tuple[int, int], spacing: float, kinetic: float = 0.5) -> None:
        self.shape, self.spacing, self.scale = shape, spacing, kinetic
        modes = [points // 2 for points in shape]
        self.sx, self.sy = (sines(p, m) for p, m in zip(shape, modes, strict=True))
        kx, ky = (
            (np.pi * np.arange(1, m + 1) / (p * spacing)) ** 2
            for p, m in zip(shape, modes, strict=True)
        )
        self.kinetic: Array = kinetic * (kx[:, None] + ky[None])
        all_x, all_y = (sines(p, p - 1) for p in shape)
        self._all = all_x, all_y
        qx, qy = ((np.pi * np.arange(1, p) / (p * spacing)) ** 2 for p in shape)
        self._all_k: Array = -(qx[:, None] + qy[None])

    def values(self, coefficients: Array) -> Array:
        """From modes to pixels."""
        return self.sx @ coefficients @ self.sy.T

    def modes(self, values: Array) -> Array:
        """From pixels to modes."""
        return self.sx.T @ values @ self.sy

    def laplacian(self, values: Array) -> Array:
        """Laplacian of a map that vanishes at the border, from all its sines."""
        sx, sy = self._all
        return sx @ (self._all_k * (sx.T @ values @ sy)) @ sy.T

    def local_energy(self, density: Array, least: float = 0.0) -> Array:
        """a laplace(sqrt(n)) / sqrt(n), below the line with at least the root of `least`."""
        least = max(least, 1e-12 * float(density.max()))
        root = np.sqrt(np.maximum(density, least))
        return self.scale * self.laplacian(np.sqrt(density)) / root

    def ground_state(
        self,
        potential: Array,
        strength: float = 0.0,
        start: Array | None = None,
        tolerance: float = 1e-9,
    ) -> tuple[Array, float]:
        """psi on the pixels with sum of squares 1, and mu; the self-interaction is strength psi^2.

        `tolerance` is that of the residual, in units of the largest energy. Minimises the energy
        on the sphere by preconditioned conjugate gradients (Antoine, Levitt,
        Tang, J. Comput. Phys. 343, 92 (2017)); along each direction the minimum is found exactly.
        """
        if start is None:
            centre = np.exp(-(potential - potential.min()) / (np.ptp(potential) / 20 + 1e-12))
            start = np.sqrt(centre + 1e-3)
        c = self.modes(start)
        c /= np.linalg.norm(c)
        psi = self.values(c)
        t = self.kinetic
        limit = tolerance * (t.max() + np.abs(potential).max())
        old_z: Array | None = None
        old_dot, direction, mu = 1.0, c, 0.0
        for _ in range(_ITERATIONS):
            field = potential + strength * psi**2
            h = t * c + self.modes(field * psi)
            mu = float((c * h).sum())
            r = h - mu * c
            if np.linalg.norm(r) < limit:
                break
            z = r / (t + max(float((c * t * c).sum()) * 2, 1e-2 * float(t[0, 0]) + 1e-12))
            z -= (c * z).sum() * c
            dot = float((r * z).sum())
            beta = 0.0
            if old_z is not None:
                beta = max(0.0, (dot - float((r * old_z).sum())) / old_dot)
            old_z, old_dot = z, dot
            direction = -z + beta * direction if beta else -z
            direction -= (c * direction).sum() * c
            d = direction / np.linalg.norm(direction)
            on_grid = self.values(d)
            angle = self._angle(c, psi, d, on_grid, potential, strength)
            c = np.cos(angle) * c + np.sin(angle) * d
            c /= np.linalg.norm(c)
            psi = self.values(c)
        return psi * np.sign(psi.sum()), mu

    def _angle(
        self, c: Array, psi: Array, d: Array, along: Array, potential: Array, strength: float
    ) -> float:
        """Where cos c + sin d has the lowest energy."""
        t = self.kinetic
        q = [
            float((x * t * y).sum() + (u * potential * v).sum())
            for x, y, u, v in ((c, c, psi, psi), (c, d, psi, along), (d, d, along, along))
        ]
        pairs = psi * psi, psi * along, along * along
        m = [np.vdot(pairs[(k + 1) // 2], pairs[k // 2]) for k in range(5)]
        e = np.array([q[0], 2 * q[1], q[0] + q[2], 2 * q[1], q[2]])
        e += strength / 2 * _BINOMIAL * m
        # the energy is sum_k e_k cos^(4-k) sin^k, its slope over cos^4 a polynomial of tan
        slope = [-e[3], 4 * e[4] - 2 * e[2], 3 * (e[3] - e[1]), 2 * e[2] - 4 * e[0], e[1]]
        roots = np.roots(slope)
        real = roots.real[np.abs(roots.imag) < 1e-9 * (1 + np.abs(roots.real))]
        if not len(real):
            return 0.0
        return float(np.arctan(min(real, key=lambda t: np.polyval(e[::-1], t) / (1 + t * t) ** 2)))

    def response(
        self, psi: Array, mu: float, potential: Array, strength: float, source: Array
    ) -> Array:
        """What solves (-a lap + V + 3 strength psi^2 - mu) u = source, both orthogonal to psi."""
        c, t = self.modes(psi), self.kinetic
        field = potential + 3 * strength * psi**2 - mu
        b = self.modes(source)
        b -= (c * b).sum() * c
        scale = t + 2 * float((c * t * c).sum()) + 1e-12
        x, r = np.zeros_like(b), b
        goal = 1e-6 * float(np.linalg.norm(b))
        p, old = np.zeros_like(b), 1.0
        for number in range(_ITERATIONS):
            if np.linalg.norm(r) <= goal:
                break
            z = r / scale
            z -= (c * z).sum() * c
            dot = float((r * z).sum())
            p = z + (dot / old) * p if number else z
            old = dot
            image = t * p + self.modes(field * self.values(p))
            image -= (c * image).sum() * c
            curvature = float((p * image).sum())
            if curvature <= 0:
                break
            step = dot / curvature
            x, r = x + step * p, r - step * image
        return self.values(x)


class GroundState(torch.autograd.Function):
    """psi of a potential, differentiable by its linear response."""

    @staticmethod
    def forward(
        context: Any, potential: torch.Tensor, box: Box, strength: float, start: Array | None
    ) -> torch.Tensor:
        """psi (x, y) with sum of squares 1."""
        values = potential.detach().numpy().astype(np.float64)
        psi, mu = box.ground_state(values, strength, start, 1e-8)
        context.box, context.known = box, (psi, mu, values, strength)
        return torch.from_numpy(psi)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """Gradient for the potential."""
        psi, mu, values, strength = context.known
        u = context.box.response(psi, mu, values, strength, gradients[0].numpy())
        return torch.from_numpy(-psi * u), None, None, None


def condensate(potential: Any, spacing: float, g: float, atoms: float) -> xr.Dataset:
    """Ground state of a Bose-Einstein condensate by the Gross-Pitaevskii equation.

    ``[-1/2 laplace + V + g n] psi = mu psi`` with ``n = atoms psi^2``, in oscillator units.

    Parameters
    ----------
    potential : array or DataArray, (x, y)
        Trap on the midpoints of the pixels; the wave function vanishes at the border of the image.
    spacing : float
        Side of a pixel.
    g : float
        Coupling of two atoms in two dimensions; not negative.
    atoms : float
        Number of atoms N.

    Returns
    -------
    Dataset
        ``density`` n (atoms per unit area), ``potential``, ``mu`` and ``energy`` per atom.

    Raises
    ------
    ValueError
        A potential that is no finite map; a spacing, g or number that cannot be.

    Examples
    --------
    >>> import numpy as np
    >>> x = (np.arange(32) - 15.5) * 0.4
    >>> solved = condensate((x[:, None] ** 2 + x**2) / 2, spacing=0.4, g=0.0, atoms=100)
    >>> round(float(solved.mu), 6)
    1.0
    """
    trap = check_potential(potential, ("x", "y"), min_sites=8)
    if trap.ndim != 2:
        raise ValueError(f"potential has dims {trap.dims}; give one map with dims ('x', 'y')")
    check_positive(spacing=spacing, atoms=atoms)
    check_positive(zero=True, g=g)
    box = Box((trap.sizes["x"], trap.sizes["y"]), float(spacing))
    strength = g * atoms / spacing**2
    psi, mu = box.ground_state(trap.values, strength)
    energy = mu - 0.5 * strength * float((psi**4).sum())
    density = atoms * psi**2 / spacing**2
    return image_dataset(
        box,
        {
            "potential": (trap.values, "hbar omega", "trap"),
            "density": (density, "1/a^2", "density of the atoms"),
            "mu": (mu, "hbar omega", "chemical potential"),
            "energy": (energy, "hbar omega", "energy per atom"),
        },
        {"g": float(g), "atoms": float(atoms), "spacing": float(spacing)},
    )


def check_positive(zero: bool = False, **numbers: float) -> None:
    """Raise unless every number is finite and above zero (or not below it)."""
    for name, value in numbers.items():
        if not np.isfinite(value) or value < 0 or (value == 0 and not zero):
            wanted = "zero or a positive number" if zero else "a positive number"
            raise ValueError(f"{name}={value!r}; give {wanted}")


def image_dataset(
    box: Box, fields: dict[str, tuple[Any, str, str]], attrs: dict[str, Any]
) -> xr.Dataset:
    """Maps and numbers with units, on midpoints centred on the image."""
    out = xr.Dataset()
    for name, points in zip(("x", "y"), box.shape, strict=True):
        out = out.assign_coords({name: (np.arange(points) - (points - 1) / 2) * box.spacing})
        out[name].attrs["units"] = "a"
    for name, (values, units, long_name) in fields.items():
        dims = ("x", "y")[: np.ndim(values)]
        out[name] = (dims, values)
        out[name].attrs.update(units=units, long_name=long_name)
    out.attrs.update(
        attrs,
        system="condensate",
        hamiltonian="[-1/2 laplace + V + g n] psi = mu psi, n = atoms psi^2",
        units="oscillator units: lengths in a = sqrt(hbar/(m omega)), energies in hbar omega",
    )
    return out


def check_map(name: str, values: Any) -> Array:
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
