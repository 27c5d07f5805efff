"""Generate a data set on a SLURM cluster: `qdens generate` with workers that SLURM starts.

On the login node, in the environment of this package and with dask-jobqueue installed::

    python examples/slurm_generate.py bose_hubbard --config configs/generate_bose_hubbard.yaml \\
        --seed 2026 --out /scratch/me/bose --jobs 20 --cores 16 --memory 32GB --walltime 04:00:00

`--print-script` shows the job script and submits nothing. The folder must be one that all nodes
see under the same name. Jobs may wait, end or be killed: what a worker has not finished another
computes, and if this process ends, the same command goes on from there.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from qdens_nb import datasets

#: one thread a worker: the engines are compiled loops, more threads in one would not help
PROLOGUE = [f"export {name}_NUM_THREADS=1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")]


def slurm_cluster(options: argparse.Namespace) -> Any:
    """A scheduler in this process; no job yet."""
    # dask-jobqueue takes Ctrl-C over when it is imported; here it goes to the command.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    from dask_jobqueue import SLURMCluster

    for number, handler in handlers.items():
        signal.signal(number, handler)
    directives = [f"--account={options.account}"] if options.account else []
    return SLURMCluster(
        cores=options.cores,
        processes=options.cores,
        memory=options.memory,
        walltime=options.walltime,
        queue=options.queue,
        job_extra_directives=directives,
        job_script_prologue=PROLOGUE,
        # a worker leaves in time and hands its tasks back, not all at the same moment
        worker_extra_args=["--lifetime", options.lifetime, "--lifetime-stagger", "2m"],
        log_directory=str(options.out / "logs"),
        local_directory=options.local,
        interface=options.interface,
        python=sys.executable,
        scheduler_options={"dashboard_address": ":0"},
    )


def read_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="qdens generate on a SLURM cluster.")
    parser.add_argument("system", help=f"one of {', '.join(datasets.systems())}")
    parser.add_argument("--config", type=Path, help="YAML file of the recipe")
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=10, help="at most, at a time")
    parser.add_argument("--cores", type=int, default=16, help="of a job, each a worker")
    parser.add_argument("--memory", default="32GB", help="of a job")
    parser.add_argument("--walltime", default="04:00:00", help="of a job")
    parser.add_argument("--lifetime", default="225m", help="of a worker, less than the walltime")
    parser.add_argument("--queue", help="partition of SLURM")
    parser.add_argument("--account")
    parser.add_argument("--interface", help="network of the nodes, such as ib0")
    parser.add_argument("--local", default="/tmp", help="fast folder of a node, for dask's own use")
    parser.add_argument("--print-script", action="store_true", help="and submit nothing")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Submit jobs as there is work, generate, end them."""
    options = read_options(arguments)
    recipe: Any = datasets.read_recipe(options.system, options.config)
    with slurm_cluster(options) as cluster:
        if options.print_script:
            print(cluster.job_script())
            return
        cluster.adapt(minimum_jobs=1, maximum_jobs=options.jobs)
        folder = datasets.generate(
            options.system,
            recipe,
            options.out,
            seed=options.seed,
            scheduler=cluster.scheduler_address,
        )
    print(f"complete: {folder}")


if __name__ == "__main__":
    main()
