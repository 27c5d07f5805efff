"""Our side of nqs_speed.py, in a fresh process: the counterpart of _netket_peer.py."""

import json
import sys
import time

began = time.time()

if len(sys.argv) != 2:
    print("started by nqs_speed.py, nothing to do alone")
    sys.exit(0)

import qdens_nb as qd  # noqa: E402
from qdens_nb.nqs import RBM, ground_state, transverse_ising  # noqa: E402

imported = time.time()


def main() -> None:
    """Run one optimisation and report its times and energies."""
    options = json.loads(sys.argv[1])
    called = time.time()
    model = transverse_ising(options["sites"], h=options["h"])
    machine = RBM(options["sites"], alpha=1, seed=options["seed"])
    times: list[float] = []
    found = ground_state(
        model,
        machine,
        steps=options["steps"],
        samples=options["samples"],
        seed=options["seed"],
        learning_rate=tuple(options["learning_rate"]),
        diagonal_shift=tuple(options["diagonal_shift"]),
        momentum=options["momentum"],
        final_samples=options["final_samples"] or options["samples"],
        callback=lambda step, row, ansatz: times.append(time.time() - called),
        progress=False,
    )
    answer = {
        "version": qd.__version__,
        "import": imported - began,
        "process to call": called - options["started"],
        "times": times,
        "energies": found["energy"].values.tolist(),
        "samples": options["samples"],
        "parameters": machine.parameter_count,
        "final_energy": float(found["final_energy"]),
        "final_energy_stderr": float(found["final_energy_stderr"]),
    }
    print("ANSWER " + json.dumps(answer))


if __name__ == "__main__":
    main()
