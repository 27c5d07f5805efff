"""pix2pix and its generator alone (L1) for all four mappings of the quantum dots."""

from __future__ import annotations

from _dots import Laboratory, curve, options, shown, write

MAPPINGS = {
    "dot_density": "potential to interacting density",
    "dot_density_free": "potential to density without interaction",
    "dot_free_to_interacting": "density without interaction to interacting density",
    "dot_potential": "interacting density to potential",
}


def main() -> None:
    """Train, measure and write results/dots_mappings.json."""
    laboratory = Laboratory(options(__doc__ or ""))
    chosen = laboratory.chosen
    rows, curves = [], {}
    for task, words in MAPPINGS.items():
        for name, changes in (("patch70", {}), ("unet", {"network": "unet"})):
            row = laboratory.run(name, task=task, **changes)
            network = "pix2pix" if name == "patch70" else "L1 only"
            rows.append(shown(row, mapping=words, network=network))
            curves[f"{words}, {network}"] = curve(row)
    caption = (
        "The four mappings by pix2pix (patch 70) and by its generator trained by the mean absolute "
        f"error alone, on test dots; width {chosen.width}, {chosen.steps} steps of {chosen.batch}. "
        "Norms in 1/nm^2 or eV, charges in electrons."
    )
    write("dots_mappings", caption, rows, laboratory, curves=curves)


if __name__ == "__main__":
    main()
