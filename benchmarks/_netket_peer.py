"""NetKet's side of nqs_speed.py; runs in NetKet's own environment and prints one line of JSON.

The argument is JSON: sites, h, steps, samples, seed, started (wall clock when the process was
launched), exact (energy), final_samples, and the setting: learning_rate, chains, driver ("VMC":
nk.driver.VMC with nk.optimizer.SR; "VMC_SR": NetKet's kernel trick), momentum (of VMC_SR: SPRING).
"""

import json
import sys
import time

began = time.time()

if len(sys.argv) != 2:
    print("started by nqs_speed.py, nothing to do alone")
    sys.exit(0)

import jax  # noqa: E402
import netket as nk  # noqa: E402

imported = time.time()


def driver(options, state, hamiltonian):
    """The optimisation with the settings of one row."""
    rate = nk.optimizer.Sgd(options["learning_rate"])
    if options["driver"] == "VMC_SR":
        return nk.driver.VMC_SR(
            hamiltonian,
            rate,
            diag_shift=0.01,
            momentum=options["momentum"] or None,
            use_ntk=True,
            variational_state=state,
        )
    return nk.driver.VMC(
        hamiltonian,
        rate,
        variational_state=state,
        preconditioner=nk.optimizer.SR(diag_shift=0.01),
    )


def main():
    """Run one optimisation and report its times and energies."""
    options = json.loads(sys.argv[1])
    called = time.time()
    hilbert = nk.hilbert.Spin(0.5, options["sites"])
    graph = nk.graph.Chain(options["sites"], pbc=True)
    hamiltonian = nk.operator.Ising(hilbert, graph, h=options["h"], J=-1.0)
    sampler = nk.sampler.MetropolisLocal(hilbert, n_chains=options["chains"])
    machine = nk.models.RBM(alpha=1, param_dtype=float)
    state = nk.vqs.MCState(
        sampler,
        machine,
        n_samples=options["samples"],
        seed=options["seed"],
        sampler_seed=options["seed"] + 1,
    )
    run = driver(options, state, hamiltonian)
    energies, times = [], []

    # NetKet calls this with the update computed, just before it is added to the parameters.
    def after_step(step, log_data, driver):
        energies.append(float(driver._loss_stats.mean.real))
        jax.block_until_ready(driver._dp)
        times.append(time.time() - called)
        return True

    run.run(options["steps"], out=None, show_progress=False, callback=after_step)
    answer = {
        "version": nk.__version__,
        "import": imported - began,
        "process to call": called - options["started"],
        "times": times,
        "energies": energies,
        "samples": int(state.n_samples),
        "parameters": int(state.n_parameters),
    }
    if options["final_samples"]:
        state.sampler = nk.sampler.MetropolisLocal(hilbert, n_chains=options["chains"])
        state.n_samples = options["final_samples"]
        state.n_discard_per_chain = 200
        found = state.expect(hamiltonian)
        answer["final_energy"] = float(found.mean.real)
        answer["final_energy_stderr"] = float(found.error_of_mean)
    print("ANSWER " + json.dumps(answer))


if __name__ == "__main__":
    main()
