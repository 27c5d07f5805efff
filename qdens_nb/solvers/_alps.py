r"""The quantum Monte Carlo programs of ALPS, as an independent check of `worm`.

:math:`H = -\sum_{\langle ij\rangle}(b^\dagger_i b_j + h.c.) + \sum_i \frac{U_i}{2} n_i(n_i-1)
+ V\sum_{\langle ij\rangle} n_in_j + \sum_i (v_i - \mu) n_i`, t = 1. ALPS (B. Bauer et al., J. Stat.
Mech. P05001 (2011)) is the optional package pyalps, which brings its programs for Linux:
``dirloop_sse`` (directed loops in the stochastic series expansion) and ``worm``.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import signal
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

from qdens_nb._checks import check_choice
from qdens_nb.solvers._bose_common import add_observables, neighbours, unpack

_HOW = "install it with: pip install 'qdens_nb[alps]' (Linux only)"
_JOB = """<JOB><OUTPUT file="run.out.xml"/><TASK status="new">
<INPUT file="run.task1.in.xml"/><OUTPUT file="run.task1.out.xml"/></TASK></JOB>
"""


def _home() -> Path:
    """Folder of the installed pyalps."""
    spec = importlib.util.find_spec("pyalps")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"solvers.alps needs the package pyalps: {_HOW}")
    return Path(spec.origin).parent


def _site_types(one: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Distinct pairs (mu, U), and which of them each site has."""
    pairs = np.stack([one["mu"].ravel(), one["U"].ravel()], axis=1)
    values, kind = np.unique(pairs, axis=0, return_inverse=True)
    return values, kind.ravel()


def _lattice_library(shape: tuple[int, ...], kind: np.ndarray) -> str:
    """Lattice of one unit cell that holds all sites, of the types `kind`.

    The lattices called "inhomogeneous" that come with ALPS give all sites the type 0, so that the
    parameters mu1, mu2, ... have no effect; they are open, too. Few types are an advantage:
    dirloop_sse builds tables for every kind of bond before it starts.
    """
    dims = len(shape)
    unit = [" ".join("1" if a == d else "0" for a in range(dims)) for d in range(dims)]
    positions = np.indices(shape).reshape(dims, -1).T
    lines = ["<LATTICES>", f'<LATTICE name="box" dimension="{dims}"><BASIS>']
    lines += [f"<VECTOR>{vector}</VECTOR>" for vector in unit]
    lines += ["</BASIS></LATTICE>", f'<UNITCELL name="all sites" dimension="{dims}">']
    for i, position in enumerate(positions):
        where = " ".join(repr(float(x / n)) for x, n in zip(position, shape, strict=True))
        lines.append(f'<VERTEX type="{kind[i]}"><COORDINATE>{where}</COORDINATE></VERTEX>')
    none = " ".join("0" * dims)
    for d, targets in enumerate(neighbours(shape).T[:dims]):
        for i, j in enumerate(targets):
            offset = unit[d] if positions[i, d] == shape[d] - 1 else none
            lines.append(
                f'<EDGE type="0"><SOURCE vertex="{i + 1}" offset="{none}"/>'
                f'<TARGET vertex="{j + 1}" offset="{offset}"/></EDGE>'
            )
    lines += ["</UNITCELL>", '<LATTICEGRAPH name="torus"><FINITELATTICE><LATTICE ref="box"/>']
    lines += [f'<EXTENT dimension="{d + 1}" size="1"/>' for d in range(dims)]
    lines += ['<BOUNDARY type="periodic"/></FINITELATTICE><UNITCELL ref="all sites"/>']
    return "\n".join([*lines, "</LATTICEGRAPH>", "</LATTICES>"])


def _parameters(
    one: dict[str, Any], values: np.ndarray, sweeps: int, thermalisation: int, seed: int
) -> dict[str, Any]:
    """Parameters of one task; `values` holds mu and U of each type of site."""
    out: dict[str, Any] = {
        "LATTICE_LIBRARY": "lattice.xml",
        "LATTICE": "torus",
        "MODEL": "boson Hubbard",
        "Nmax": one["n_max"],
        "T": repr(one["T"]),
        "V": repr(one["V"]),
        "t": 1,
        "SWEEPS": sweeps,
        "THERMALIZATION": thermalisation,
        "SEED": seed,
        "MEASURE_LOCAL[Local density]": "n",
    }
    for i, (mu, U) in enumerate(values):
        out.update({f"mu{i}": repr(float(mu)), f"U{i}": repr(float(U))})
    return out


def _run(program: Path, folder: Path, timeout: float | None) -> float:
    """Run the program in `folder` and return its CPU seconds, user and system."""
    environment = os.environ | {
        "ALPS_XML_PATH": str(program.parents[1] / "xml"),
        "OMP_NUM_THREADS": "1",
    }
    command = [str(program), "--Tmin", "1", "run.in.xml"]
    deadline = np.inf if timeout is None else time.monotonic() + timeout
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        pause = 0.01
        try:
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"ALPS took more than timeout={timeout:g} s; take fewer sweeps or give it "
                        "more time"
                    )
                time.sleep(pause)
                pause = min(0.5, 1.5 * pause)
        except BaseException:
            process.send_signal(signal.SIGKILL)
            process.wait()
            raise
    process.returncode = os.waitstatus_to_exitcode(status)
    results = folder / "run.task1.out.h5"
    if process.returncode or not results.exists():
        last = (folder / "log").read_text(errors="replace").strip().splitlines()[-3:]
        raise RuntimeError(f"{program.name} failed: {' '.join(last)}")
    return usage.ru_utime + usage.ru_stime


def _jackknife(function: Any, *bins: np.ndarray) -> tuple[float, float]:
    """Value and standard error of a function of means, from bins of simultaneous measurements."""
    means = np.array([b.mean() for b in bins])
    count = bins[0].size
    left_out = np.array([(count * m - b) / (count - 1) for m, b in zip(means, bins, strict=True)])
    values = function(*left_out)
    error = np.sqrt((count - 1) / count * np.sum((values - values.mean()) ** 2))
    return float(function(*means)), float(error)


def _observables(path: Path, one: dict[str, Any]) -> dict[str, Any]:
    """Read the results of one task."""
    import pyalps.hdf5

    archive = pyalps.hdf5.archive(str(path), "r")
    shape, sites = one["shape"], int(np.prod(one["shape"]))

    def read(name: str, part: str) -> Any:
        return archive[f"/simulation/results/{name}/{part}"]

    def bins(name: str) -> np.ndarray:
        size = archive[f"/simulation/results/{name}/timeseries/data/@binsize"]
        return np.asarray(read(name, "timeseries/data")) / size

    out: dict[str, Any] = {
        "density": np.asarray(read("Local density", "mean/value")).reshape(shape),
        "density_stderr": np.asarray(read("Local density", "mean/error")).reshape(shape),
    }
    energy, density, square = bins("Energy"), bins("Density"), bins("Density^2")
    mu = one["chemical_potential"]
    for name, (value, error) in {
        "energy": _jackknife(lambda e, n: e + mu * sites * n, energy, density),
        "particle_number": _jackknife(lambda n: sites * n, density),
        "compressibility": _jackknife(
            lambda n2, n: (n2 - sites * n**2) / one["T"], square, density
        ),
    }.items():
        out[name], out[f"{name}_stderr"] = value, error
    if len(set(shape)) == 1:
        # theirs is T W^2 / d summed over d directions of a box of side 1, ours T L^2 W^2 / sites
        factor = shape[0] ** 2 / sites
        out["superfluid_stiffness"] = factor * float(read("Stiffness", "mean/value"))
        out["superfluid_stiffness_stderr"] = factor * float(read("Stiffness", "mean/error"))
    out["sweeps"] = int(read("Local density", "count"))
    out["converged"] = int(np.max(read("Local density", "mean/error_convergence")) < 2)
    return out


def alps(
    problem: xr.Dataset,
    *,
    algorithm: str = "dirloop_sse",
    sweeps: int = 20_000,
    thermalisation: int = 2_000,
    seed: int = 0,
    timeout: float | None = None,
    parameters: dict[str, Any] | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Thermal averages of the Bose-Hubbard model by a program of ALPS, with error bars.

    Parameters
    ----------
    problem : Dataset
        From `qdens_nb.bose_hubbard`, torus or ring, T > 0.
    algorithm : {"dirloop_sse", "worm"}
        Program to run, one process after the other.
    sweeps, thermalisation : int
        Monte Carlo sweeps, as ALPS counts them; it may do some more.
    seed : int
        Seed of the first sample; each sample gets another.
    timeout : float, optional
        Wall-clock seconds allowed for each sample.
    parameters : dict, optional
        Further ALPS parameters, such as ``{"EPSILON": 1.0}``; they override ours.
    progress : bool
        Show a progress bar over the samples.

    Returns
    -------
    Dataset
        The problem with density, energy, particle_number, compressibility and
        superfluid_stiffness, each with ``_stderr``; sweeps (measured) and converged (ALPS trusts
        all its error bars of the density). ``attrs["cpu_seconds_total"]`` is the CPU time of the
        processes with thermalisation, which ALPS does not tell apart.

    Raises
    ------
    ModuleNotFoundError
        pyalps is not installed.
    ValueError
        T = 0, a wrong algorithm or budget, ``worm`` on a side of two sites.
    TimeoutError
        ALPS took longer than `timeout`.

    Warns
    -----
    RuntimeWarning
        The answer is the empty lattice with zero error: the run never left its start.
    """
    check_choice("algorithm", algorithm, ("dirloop_sse", "worm"))
    for name, value, least in (("sweeps", sweeps, 128), ("thermalisation", thermalisation, 0)):
        if int(value) != value or value < least:
            raise ValueError(f"{name}={value!r}; give a whole number of at least {least}")
    problems = unpack(problem)
    if min(one["T"] for one in problems) <= 0:
        raise ValueError("T=0; quantum Monte Carlo needs T > 0, for example T=0.25")
    if algorithm == "worm" and 2 in problems[0]["shape"]:
        raise ValueError(
            "the worm program of ALPS is wrong on a side of two sites, which has two bonds between "
            "the same pair; use algorithm='dirloop_sse' or a larger side"
        )
    program = _home() / "bin" / algorithm
    seeds = np.random.SeedSequence(seed).generate_state(len(problems)) >> 1
    rows, seconds = [], 0.0
    bar = tqdm(problems, desc="alps", disable=not progress or len(problems) == 1)
    for one, own_seed in zip(bar, seeds, strict=True):
        values, kind = _site_types(one)
        task = _parameters(one, values, int(sweeps), int(thermalisation), int(own_seed))
        task.update(parameters or {})
        lines = [
            f'<PARAMETER name="{escape(key)}">{escape(str(value))}</PARAMETER>'
            for key, value in task.items()
        ]
        with tempfile.TemporaryDirectory(prefix="qdens_alps_") as name:
            folder = Path(name)
            (folder / "run.in.xml").write_text(_JOB)
            (folder / "lattice.xml").write_text(_lattice_library(one["shape"], kind))
            (folder / "run.task1.in.xml").write_text(
                "<SIMULATION><PARAMETERS>" + "\n".join(lines) + "</PARAMETERS></SIMULATION>\n"
            )
            seconds += _run(program, folder, timeout)
            rows.append(_observables(folder / "run.task1.out.h5", one))
        if not rows[-1]["density"].any():
            warnings.warn(
                f"alps: {algorithm} never left the empty lattice; do not trust its zero error",
                RuntimeWarning,
                stacklevel=2,
            )
    stacked = {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}
    if "sample" not in problem["potential"].dims:
        stacked = {name: values[0] for name, values in stacked.items()}
    options = {
        "algorithm": algorithm,
        "sweeps": int(sweeps),
        "thermalisation": int(thermalisation),
        "seed": int(seed),
        "parameters": parameters or {},
    }
    answer = add_observables(problem, stacked, "alps", options)
    answer.attrs.update(
        cpu_seconds_total=seconds, alps_version=importlib.metadata.version("pyalps")
    )
    return answer
