"""Jitter of pix2pix for density to potential: maps enlarged to N points, 64 cut at random.

Enlarging changes lengths, and with them the balance of kinetic and Coulomb energy, and cutting
moves the hard walls: unlike the eight symmetries of the square it is no symmetry of the problem.
"""

from __future__ import annotations

from _dots import Laboratory, curve, options, shown, write

SIZES = (64, 68, 72, 80)


def main() -> None:
    """Train, measure and write results/dots_jitter.json."""
    laboratory = Laboratory(options(__doc__ or ""))
    chosen = laboratory.chosen
    rows, curves = [], {}
    for size in SIZES:
        name, jitter = ("patch70", 0) if size == 64 else (f"patch70_jitter{size}", size)
        row = laboratory.run(name, task="dot_potential", jitter=jitter)
        rows.append(shown(row, enlarged_to=size))
        curves[str(size)] = curve(row)
    caption = (
        "Interacting density to potential by pix2pix (patch 70) on test dots, trained on maps "
        f"enlarged to N points of which 64 are cut at random; width {chosen.width}, "
        f"{chosen.steps} steps of {chosen.batch}. Norms in eV."
    )
    write("dots_jitter", caption, rows, laboratory, curves=curves)


if __name__ == "__main__":
    main()
