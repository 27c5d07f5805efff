"""Why a discriminator does not help: the weight of L1, dropout, normalisation, symmetries.

The exact map is a function of the input, so there is no choice between sharp answers that a
discriminator could teach. The columns say what its gradient is: how large against that of L1, and
the cosine between the step it asks for and the way to the exact map (0 for a random direction, and
for two random maps of 64 x 64 within 0.016).
"""

from __future__ import annotations

from typing import Any

from _dots import Laboratory, Row, curve, history, options, shown, write

GAN: dict[str, dict[str, Any]] = {
    "pix2pix": {},
    "pix2pix, L1 weight 1": {"l1_weight": 1.0},
    "pix2pix, L1 weight 10": {"l1_weight": 10.0},
    "pix2pix, L1 weight 1000": {"l1_weight": 1000.0},
    "pix2pix, no dropout": {"dropout": 0.0},
    "pix2pix, no normalisation": {"norm": "none"},
    "pix2pix, running statistics": {"norm": "batch"},
}
PLAIN: dict[str, dict[str, Any]] = {
    "L1 only": {},
    "L1 only, no dropout": {"dropout": 0.0},
    "L1 only, no normalisation": {"norm": "none"},
    "L1 only, eight symmetries": {"task_options": {"augment": True}},
    "L1 only, no dropout, symmetries": {"dropout": 0.0, "task_options": {"augment": True}},
}


def main() -> None:
    """Train, measure and write results/dots_ablation.json."""
    laboratory = Laboratory(options(__doc__ or ""))
    chosen = laboratory.chosen
    rows, curves = [], {}
    plain = {name: {"network": "unet", **changes} for name, changes in PLAIN.items()}
    for name, changes in (GAN | plain).items():
        same = {"pix2pix": "patch70", "L1 only": "unet"}
        run = same.get(name, name.replace(", ", "_").replace(" ", "_"))
        row = laboratory.run(run, **changes)
        rows.append(shown({**row, **gradients(row)}, network=name))
        curves[name] = curve(row)
    caption = (
        "Potential to interacting density on test dots: pix2pix (patch 70) and its generator alone "
        f"with one thing changed at a time; width {chosen.width}, {chosen.steps} steps of "
        f"{chosen.batch}. Gradients by the answer, mean over the second half of the steps."
    )
    write("dots_ablation", caption, rows, laboratory, curves=curves)


def gradients(row: Row) -> dict[str, float]:
    """What the discriminator's gradient is against that of L1."""
    past = history(row)
    if "gan_gradient" not in past:
        return {}
    late = past.isel(loss_step=slice(past.sizes["loss_step"] // 2, None))
    share = late["gan_gradient"] / (late["gan_gradient"] + late["l1_gradient"])
    return {
        "share of the GAN in the gradient": float(share.mean()),
        "cosine of its step with the way to the exact map": float(late["gan_alignment"].mean()),
        "discriminator loss, real": float(late["discriminator_real"].mean()),
        "discriminator loss, fake": float(late["discriminator_fake"].mean()),
    }


if __name__ == "__main__":
    main()
