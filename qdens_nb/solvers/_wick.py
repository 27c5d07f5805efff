"""Observables of a Slater determinant by Wick's theorem."""

from __future__ import annotations

import numpy as np


def slater_observables(
    orbitals: np.ndarray, flux: float = 0.0, periodic: bool = True
) -> dict[str, np.ndarray]:
    """Site and bond observables of the determinant of `orbitals` (L, N), each of shape (L,).

    With rho[x, y] = <c+_x c_y>:
    <c+_p c_q c+_r c_s> = rho_pq rho_rs + rho_ps (delta_qr - rho_rq).
    """
    sites = orbitals.shape[0]
    rho = orbitals.conj() @ orbitals.T
    here = np.arange(sites)
    there = (here + 1) % sites
    density = rho[here, here].real
    phase = np.exp(-1j * flux / sites)
    g = phase * rho[here, there]
    correlation = density * density[there] - np.abs(rho[here, there]) ** 2
    products = np.zeros(sites, dtype=complex)
    beyond = (here + 2) % sites
    for p, q, left in ((here, there, -1j * phase), (there, here, 1j * np.conj(phase))):
        for r, s, right in ((there, beyond, -1j * phase), (beyond, there, 1j * np.conj(phase))):
            contraction = (q == r) - rho[r, q]
            products += left * right * (rho[p, q] * rho[r, s] + rho[p, s] * contraction)
    result = {
        "density": density,
        "density_variance": density - density**2,
        "density_correlation": correlation,
        "coherence": g.real,
        "current": 2.0 * g.imag,
        "current_correlation": products.real,
    }
    if not periodic:
        for name in ("density_correlation", "coherence", "current"):
            result[name][-1] = 0.0
        result["current_correlation"][-2:] = 0.0
    return result
