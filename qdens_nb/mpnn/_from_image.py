"""The trap of a Bose-Einstein condensate from an image of its atoms."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from qdens_nb._checks import check_choice
from qdens_nb.mpnn._condensate import Array, Box, check_map, check_positive, image_dataset
from qdens_nb.mpnn._pixel_fit import PixelNet, fit, quadratic_start

#: width in pixels of the blur of the image from which a network starts; steps of Adam
_BLUR, _WARM_UP = 1.0, 10


def trap_from_image(
    counts: Any,
    spacing: float,
    g: float,
    *,
    atoms: float | None = None,
    method: str = "network",
    smoothing: float = 0.0,
    members: int = 4,
    images: int = 0,
    steps: int = 100,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Trap of a Bose-Einstein condensate from an image of its atoms.

    ``V = mu - g n + laplace(sqrt(n)) / (2 sqrt(n))`` in oscillator units.

    Parameters
    ----------
    counts : array or DataArray, (x, y)
        Atoms (or photons) counted in each pixel; the cloud must end inside the image. Images of
        equal clouds may be added up.
    spacing : float
        Side of a pixel.
    g : float
        Coupling of two atoms in two dimensions.
    atoms : float, optional
        Atoms in one cloud; default: as many as were counted.
    method : {"network", "direct", "thomas_fermi"}
        "network" trains a potential whose ground state makes the image most likely; "direct" takes
        the formula; "thomas_fermi" leaves the Laplacian out.
    smoothing : float
        Width in pixels of a Gaussian that blurs the image, for the latter two.
    members : int
        Networks, each with its own start and pixels kept out; the mean potential is returned.
    images : int
        Images drawn from the density found and inverted again, each by one network; their spread
        is the ``potential_stderr``. Two or more, or none.
    steps : int
        Of L-BFGS.
    seed : int
        Of the network, the pixels kept out and the images drawn.
    progress : bool

    Returns
    -------
    Dataset
        ``potential`` with zero mean over the atoms (the image leaves a constant open), ``density``
        (that of the ground state found, for "network"), ``mu``; ``seen``, where the density
        exceeds a tenth of its mean over the atoms: elsewhere the potential is hardly known.

    Raises
    ------
    ValueError
        Counts that are negative, not finite, all zero or no map; numbers that cannot be.

    Examples
    --------
    >>> x = (np.arange(48) - 23.5) * 0.25
    >>> from qdens_nb.mpnn._condensate import condensate
    >>> image = condensate((x[:, None] ** 2 + x**2) / 2, 0.25, g=0.1, atoms=1e3).density * 0.25**2
    >>> found = trap_from_image(image, 0.25, g=0.1, method="direct")
    >>> round(float(found.potential[24, 32] - found.potential[24, 24]), 2)
    2.25
    """
    check_choice("method", method, ("network", "direct", "thomas_fermi"))
    check_positive(spacing=spacing)
    check_positive(zero=True, g=g, smoothing=smoothing, steps=steps)
    image = check_map("counts", counts)
    total = float(image.sum())
    if total <= 0:
        raise ValueError("counts are all zero; there is nothing to invert")
    if members < 1:
        raise ValueError(f"members={members!r}; give at least 1")
    if images not in (0, *range(2, 1000)):
        raise ValueError(f"images={images!r}; give 0, or 2 and more for a spread")
    number = total if atoms is None else float(atoms)
    check_positive(atoms=number)
    box = Box((image.shape[0], image.shape[1]), float(spacing))
    strength = g * number / spacing**2

    def invert(picture: Array, seed: int, members: int) -> tuple[Array, Array]:
        share: Array = picture / picture.sum()
        if method == "network":
            base = quadratic_start(box, picture, strength * gaussian_filter(share, _BLUR))
            found = [
                fit(
                    PixelNet(box, waves=4, base=base, seed=seed + member),
                    box,
                    picture,
                    strength=strength,
                    steps=steps,
                    warm_up=_WARM_UP,
                    seed=seed + member,
                    progress=progress,
                ).potential
                for member in range(members)
            ]
            potential = np.mean(found, axis=0)
            share = box.ground_state(potential, strength, np.sqrt(share))[0] ** 2
        else:
            share = gaussian_filter(share, smoothing, mode="constant") if smoothing else share
            potential = -strength * share
            if method == "direct":
                potential = potential + box.local_energy(share, 0.1 / total)
        return potential - float((potential * share).sum() / share.sum()), share

    potential, share = invert(image, seed, members)
    psi = np.sqrt(share)
    moving = -0.5 * float((psi * box.laplacian(psi)).sum()) if method != "thomas_fermi" else 0.0
    fields = {
        "potential": (potential, "hbar omega", "trap recovered"),
        "density": (number * share / spacing**2, "1/a^2", "density of the atoms"),
        "mu": (moving + strength * float((share**2).sum()), "hbar omega", "chemical potential"),
        "seen": (share > 0.1 * (share**2).sum(), "", "where the trap is known"),
    }
    if images:
        rng = np.random.default_rng(seed)
        again = [
            invert(rng.poisson(total * share).astype(np.float64), seed + members + i, 1)[0]
            for i in range(images)
        ]
        spread: Array = np.std(again, axis=0, ddof=1)
        fields["potential_stderr"] = (spread, "hbar omega", "standard error of the potential")
    options = {"method": method, "smoothing": smoothing, "images": images, "steps": steps}
    options |= {"members": members, "seed": seed}
    return image_dataset(
        box,
        fields,
        {
            "g": float(g),
            "atoms": number,
            "counted": total,
            "spacing": float(spacing),
            "options": json.dumps(options),
        },
    )
