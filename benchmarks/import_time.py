"""Seconds from the start of a fresh process to an import, a first exact density, a prediction.

By turns, after one round that is not counted (it fills the machine's file cache and Numba's).
The exact density is checked to be the same by `chain_ed` and by plain QuSpin.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

from _common import machine, options, write_result
from tqdm.auto import tqdm

import numpy as np  # isort: skip

REPEATS, SITES, PARTICLES, V = 5, 14, 7, 1.0
ENGINES = ("torch", "quspin", "tenpy", "dask", "distributed", "lightning", "plotly")

_WELL = f"well = np.where(abs(np.arange({SITES}) - 6.5) < 4, -2.0, 0.0)"
_OURS = f"""import numpy as np
import qdens_nb as qd
{_WELL}
problem = qd.fermion_chain(well, V={V}, mu=-0.1)
"""
_QUSPIN = f"""import numpy as np
from quspin.basis import spinless_fermion_basis_1d
from quspin.operators import hamiltonian
{_WELL}
L = {SITES}
basis = spinless_fermion_basis_1d(L, Nf={PARTICLES})
ring = [(x, (x + 1) % L) for x in range(L)]
terms = [
    ["+-", [[-1.0, x, y] for x, y in ring]],
    ["-+", [[1.0, x, y] for x, y in ring]],
    ["nn", [[{V}, x, y] for x, y in ring]],
    ["n", [[v, x] for x, v in enumerate(well)]],
]
quiet = dict(check_herm=False, check_pcon=False, check_symm=False)
H = hamiltonian(terms, [], basis=basis, dtype=np.float64, **quiet)
state = H.eigsh(k=1, which="SA")[1][:, 0]
occupied = (basis.states[:, None] >> (L - 1 - np.arange(L))) & 1
density = state**2 @ occupied
"""
#: name -> code; a variable `density` is compared with that of the others of the same kind
CASES = {
    "nothing": "",
    "import numpy": "import numpy",
    "import xarray": "import xarray",
    "import torch": "import torch",
    "import qdens_nb": "import qdens_nb",
    "first exact density, chain_ed": f"{_OURS}density = qd.solvers.chain_ed(problem, N={PARTICLES})"
    ".density.values",
    "first exact density, plain QuSpin": _QUSPIN,
    "first prediction, chain_live": f"{_OURS}predicted = qd.load_predictor('chain_live')(problem)",
    "first prediction, chain": f"{_OURS}predicted = qd.load_predictor('chain')(problem)",
}
_AFTER = f"""
import json, sys, time
answer = {{"ready": time.time(), "engines": [n for n in {ENGINES} if n in sys.modules]}}
if "density" in globals():
    answer["density"] = density.tolist()
print("ANSWER " + json.dumps(answer))
"""


def fresh(code: str) -> dict[str, Any]:
    """Answer of one process, with the seconds from its start."""
    start = time.time()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code + _AFTER],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("ANSWER "))
    answer: dict[str, Any] = json.loads(line.removeprefix("ANSWER "))
    return answer | {"seconds": answer["ready"] - start}


def main(chosen: argparse.Namespace) -> None:
    """Measure and write results/import_time.json."""
    repeats = 1 if chosen.quick else REPEATS
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in CASES}
    with tqdm(total=(repeats + 1) * len(CASES), desc="processes") as bar:
        for _ in range(repeats + 1):
            for name, code in CASES.items():
                answers[name].append(fresh(code))
                bar.update()
    exact = [several[0]["density"] for several in answers.values() if "density" in several[0]]
    np.testing.assert_allclose(exact[1:], exact[:-1], atol=1e-7)
    python = float(np.median([one["seconds"] for one in answers["nothing"][1:]]))
    rows = []
    for name, several in answers.items():
        seconds = [one["seconds"] for one in several[1:]]
        rows.append(
            {
                "until": name,
                "s from the start of the process": float(np.median(seconds)),
                "without Python itself, s": float(np.median(seconds)) - python,
                "slowest, s": max(seconds),
                "engines loaded": len(several[-1]["engines"]),
            }
        )
    write_result(
        "import_time",
        f"Median of {repeats} fresh processes, by turns, after one that is not counted, one "
        f"thread; the density is that of {PARTICLES} fermions on a ring of {SITES} sites. Engines: "
        f"how many of {', '.join(ENGINES)} are loaded.",
        rows,
        chosen,
        machine=machine(),
    )


if __name__ == "__main__":
    main(options(__doc__))
