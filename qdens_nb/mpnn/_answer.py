"""What a recovery found, as a labelled Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import xarray as xr

from qdens_nb.mpnn._sampling import WIDE

if TYPE_CHECKING:
    from qdens_nb.mpnn._judged import Judged

#: Points of a line, and of a side of a plane (even: none of them is at a nucleus).
LINE, PLANE = 400, 100


def answer(recovery: Judged) -> xr.Dataset:
    """Potential and local energy on a grid, the history, the errors."""
    wave = recovery.wave
    energy, stderr = recovery.energy()
    found = _on_grid(recovery)
    found["energy"] = energy
    found["energy_stderr"] = stderr
    if wave.energy is not None:
        found["energy_exact"] = wave.energy
    for name, value in recovery.errors().items():
        found[name] = value
    if wave.particles > 1:
        found["trap_error"] = recovery.trap_error()
    history = recovery.history
    found = found.assign_coords(step=("step", np.asarray(history["step"], dtype=int)))
    for name in ("loss", "energy", "epsilon_wide", "epsilon_core"):
        label = name if name == "loss" else f"{name}_history"
        found[label] = ("step", np.asarray(history[name], dtype=float))
    found["seconds"] = recovery.seconds
    settings = recovery.settings
    found.attrs = {
        "system": wave.name,
        "hamiltonian": wave.hamiltonian,
        "method": recovery.method,
        "seed": recovery.seed,
        "samples": settings.samples,
        "steps": recovery.step_number,
        "strength": settings.strength,
        "acceptance": recovery.walk.acceptance,
        "rhat": recovery.walk.rhat,
        "pin": list(wave.pin),
    }
    if network := getattr(recovery, "network", None):
        found.attrs |= {
            "inputs": ", ".join(network.inputs),
            "parameters": network.parameter_count,
        }
    for name in ("energy", "energy_stderr", "potential", "local_energy", "potential_exact", "trap"):
        if name in found:
            found[name].attrs["units"] = "Hartree"
    for name in ("x", "y"):
        if name in found.coords:
            found[name].attrs["units"] = "Bohr radii"
    return found


def _on_grid(recovery: Judged) -> xr.Dataset:
    """Potential, exact potential, local energy and psi on a line or in the plane z = 0."""
    wave = recovery.wave
    if wave.particles > 1:
        return _trap_on_line(recovery)
    side = LINE if wave.dims == 1 else PLANE
    ticks = np.linspace(-WIDE, WIDE, side)
    axes = ("x", "y")[: wave.dims]
    points = np.stack(np.meshgrid(*[ticks] * len(axes), indexing="ij"), axis=-1)
    flat = torch.zeros(side ** len(axes), wave.dims, dtype=torch.float64)
    flat[:, : len(axes)] = torch.from_numpy(points.reshape(-1, len(axes)))
    fields = {
        "potential": recovery.potential(flat),
        "local_energy": recovery.local_energy(flat),
        "psi": wave.psi(flat),
    }
    if wave.potential is not None:
        fields["potential_exact"] = wave.potential(flat)
    shape = (side,) * len(axes)
    return xr.Dataset(
        {name: (axes, field.double().reshape(shape).numpy()) for name, field in fields.items()},
        coords={axis: ticks for axis in axes},
    )


def _trap_on_line(recovery: Judged) -> xr.Dataset:
    """Potential of one particle on the x axis."""
    wave = recovery.wave
    ticks = np.linspace(-WIDE, WIDE, LINE)
    places = torch.zeros(LINE, wave.dims // wave.particles, dtype=torch.float64)
    places[:, 0] = torch.from_numpy(ticks)
    fields = {"trap": recovery.trap(places).double()}
    if recovery.wave.trap is not None:
        fields["trap_exact"] = recovery.wave.trap(places)
    return xr.Dataset(
        {name: ("x", field.numpy()) for name, field in fields.items()}, coords={"x": ticks}
    )
