"""R2 on test dots against the number of training samples, pix2pix and its generator alone."""

from __future__ import annotations

from _dots import Laboratory, curve, options, shown, write

#: None: all; fewer points for the generator alone
SAMPLES = {"pix2pix": (100, 200, 400, 800, 1600, 3200, None), "unet": (100, 200, 400, None)}


def main() -> None:
    """Train, measure and write results/dots_learning_curve.json."""
    laboratory = Laboratory(options(__doc__ or ""))
    chosen = laboratory.chosen
    rows, curves = [], {}
    for network, name in (("pix2pix", "patch70"), ("unet", "unet")):
        for samples in SAMPLES[network]:
            run = name if samples is None else f"{name}_{samples}_samples"
            row = laboratory.run(run, network=network, max_samples=samples)
            label = "pix2pix" if network == "pix2pix" else "L1 only"
            rows.append(shown(row, network=label))
            curves[f"{label}, {row['training samples']} samples"] = curve(row)
    caption = (
        "Potential to interacting density: R2 on test dots against the number of training samples, "
        f"pix2pix (patch 70) and its generator trained by L1 alone; width {chosen.width}, "
        f"{chosen.steps} steps of {chosen.batch} for every number."
    )
    write("dots_learning_curve", caption, rows, laboratory, curves=curves)


if __name__ == "__main__":
    main()
