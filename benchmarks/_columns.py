"""Which columns of the wide result files the tables of README and docs/ show."""

from __future__ import annotations

_DOTS = (
    "best step",
    "validation R2",
    "test R2",
    "test R2 with dropout on",
    "mean l1",
    "mean ssim",
    "charge displaced, median",
    "total charge error, median",
)

#: result file -> columns; of what is not here, all
SHOWN: dict[str, tuple[str, ...]] = {
    "chain_wells": (
        "potentials",
        "L",
        "V",
        "samples",
        "Hartree-Fock",
        "chain_cnn",
        "chain_cnn_live",
        "chain",
        "chain_live",
        "Hartree-Fock: wrong N",
        "chain: wrong N",
        "chain_cnn: within the error bar",
        "chain: within the error bar",
    ),
    "worm_speed": (
        "problem",
        "engine",
        "efficiency (1/s)",
        "CPU s a run",
        "seeds",
        "error of n",
        "runs in doubt",
        "ours / this",
        "ours / this, by spread",
        "chi2 against ours",
    ),
    "bose_time": (
        "trap",
        "L",
        "QMC, s",
        "QMC density error",
        "mean field, s",
        "bose_hubbard, s",
        "bose_hubbard_live, s",
        "bose_hubbard_cnn, s",
        "QMC / bose_hubbard",
        "QMC / bose_hubbard_live",
    ),
    "bose_traps": (
        "trap",
        "L",
        "4t/U",
        "4V/U",
        "N",
        "density error",
        "mean field: mean density error",
        "mean field: mean error of the smooth density",
        "in equilibrium",
        "CPU, s",
    ),
    "nqs_speed": (
        "N",
        "side",
        "runs",
        "import (s)",
        "call to first step (s)",
        "steps a second",
        "to 1e-3 (s)",
        "to 1e-4 (s)",
        "to 1e-3 after the first step (s)",
        "to 1e-4 after the first step (s)",
        "final relative error",
    ),
    "mpnn_noise": (
        "data",
        "system",
        "direct, core",
        "smoothed, core",
        "kernel density, core",
        "network, core",
        "direct, wide",
        "smoothed, wide",
        "kernel density, wide",
        "network, wide",
        "seconds",
    ),
    "dots_discriminator": ("discriminator", "patch", "seed", *_DOTS),
    "dots_ablation": (
        "network",
        *_DOTS[1:4],
        "charge displaced, median",
        "share of the GAN in the gradient",
        "cosine of its step with the way to the exact map",
    ),
    "dots_mappings": ("mapping", "network", "training samples", *_DOTS),
    "dots_learning_curve": ("network", "training samples", *_DOTS),
    "dots_jitter": ("enlarged_to", *_DOTS[:6]),
    "dots_material": ("material", "network", "side in Bohr radii", *_DOTS),
    "dots_evolution": ("map", *_DOTS),
}


def shown(name: str) -> dict[str, list[str]]:
    """The entry of a result file that says which columns its table has, if it is not all."""
    return {"columns": list(SHOWN[name])} if name in SHOWN else {}
