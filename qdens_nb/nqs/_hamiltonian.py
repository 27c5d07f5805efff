r"""A Hamiltonian as sparse rows: the configurations it connects and the matrix elements.

.. math:: H = \sum_t h_t,\qquad E_{loc}(s) = \sum_{s'} ⟨s|H|s'⟩ \frac{ψ(s')}{ψ(s)}

Each term :math:`h_t` is a small matrix on a few sites. Its rows are kept as look-up tables: the
index of the local configuration gives the diagonal element, the changes of the local values and
the elements of the (few) configurations it is connected to. So rows of a batch are array look-ups,
here in numpy and in `_rbm_kernel` in compiled code, for any Hamiltonian.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse

#: a term: matrix over the local configurations of its sites (first site slowest), and the sites
Term = tuple[np.ndarray, Sequence[int]]
LARGEST_BASIS = 2**22


class Rows(NamedTuple):
    """Rows of H: ⟨s|H|s⟩ of each configuration, and all its off-diagonal connections."""

    diagonal: np.ndarray
    origin: np.ndarray
    configs: np.ndarray
    elements: np.ndarray


class Tables(NamedTuple):
    """Look-up tables of the terms, as the compiled kernels read them.

    Term t acts on ``sites[t]`` (k of them, unused ones repeat the first with stride 0) and looks
    itself up in the table ``kind[t]``. ``delta`` is the change of the local values, in steps of
    the local values (±1 for a flipped spin).
    """

    sites: np.ndarray
    strides: np.ndarray
    kind: np.ndarray
    diagonal: np.ndarray
    elements: np.ndarray
    delta: np.ndarray


class Hamiltonian:
    """Sum of local terms on sites with equidistant local values.

    Parameters
    ----------
    shape : int or tuple of int
        Sites of the chain, (L,), or of the lattice, (Lx, Ly); site = x Ly + y.
    terms : sequence of (matrix, sites)
        Hermitian matrices over the local configurations of one or more sites; the first site is
        the slowest index, local values ascend.
    local_values : tuple of int
        Equidistant local values: (-1, 1) for spins, (0, 1, ..., n_max) for bosons.
    total : int, optional
        Conserved sum of the local values; sampling and the basis are restricted to it.
    name : str
        Name of the model.
    couplings : dict, optional
        Couplings that label the results.

    Raises
    ------
    ValueError
        A matrix that is not Hermitian or of the wrong size, a site outside the lattice, a total
        that no configuration has or that a term does not conserve.

    Examples
    --------
    A user's own Hamiltonian, two spins in a field:

    >>> import numpy as np, qdens_nb as qd
    >>> z, x = np.diag([-1.0, 1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> model = qd.nqs.Hamiltonian(2, [(np.kron(z, z), (0, 1)), (x, (0,)), (x, (1,))])
    >>> round(float(np.linalg.eigvalsh(model.matrix().toarray())[0]), 6)
    -2.236068
    """

    def __init__(
        self,
        shape: int | tuple[int, ...],
        terms: Sequence[Term],
        *,
        local_values: tuple[int, ...] = (-1, 1),
        total: int | None = None,
        name: str = "user-defined",
        couplings: dict[str, float] | None = None,
    ) -> None:
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.sites = int(np.prod(self.shape))
        self.local_values = tuple(int(value) for value in local_values)
        self.name, self.couplings = name, dict(couplings or {})
        steps = np.diff(self.local_values)
        if len(steps) == 0 or (steps != steps[0]).any() or steps[0] <= 0:
            raise ValueError(f"local_values={local_values}: expected equidistant, ascending")
        self.step = int(steps[0])
        self.total = None if total is None else self._check_total(int(total))
        self.tables = _tables([*terms], self.sites, len(self.local_values), total is not None)

    @property
    def is_complex(self) -> bool:
        """Whether a matrix element is complex."""
        return bool(np.iscomplexobj(self.tables.elements))

    @property
    def is_stoquastic(self) -> bool:
        """Whether no off-diagonal element is positive: then a ground state has ψ >= 0."""
        return not self.is_complex and bool((self.tables.elements <= 0).all())

    def digits(self, configs: np.ndarray) -> np.ndarray:
        """Indices 0, 1, ... of the local values of (B, N) configurations.

        Raises
        ------
        ValueError
            Another number of sites, or a value that is not a local value.
        """
        configs = np.asarray(configs)
        if configs.ndim != 2 or configs.shape[1] != self.sites:
            raise ValueError(
                f"configurations have the shape {configs.shape}; expected (B, {self.sites})"
            )
        found, rest = np.divmod(configs.astype(np.int64) - self.local_values[0], self.step)
        if rest.any() or (found < 0).any() or (found >= len(self.local_values)).any():
            raise ValueError(f"a local value is none of {self.local_values}")
        return found

    def rows(self, configs: np.ndarray) -> Rows:
        """Rows of H of (B, N) configurations: diagonal, connected configurations, elements."""
        t = self.tables
        place = (self.digits(configs)[:, t.sites] * t.strides).sum(-1)
        diagonal = t.diagonal[t.kind, place].sum(1)
        elements = t.elements[t.kind, place]
        index, term, which = np.nonzero(elements)
        connected = np.asarray(configs, np.int8)[index]
        change = (t.delta[t.kind[term], place[index, term], which] * self.step).astype(np.int8)
        for k in range(t.sites.shape[1]):
            connected[np.arange(len(index)), t.sites[term, k]] += change[:, k]
        return Rows(diagonal, index, connected, elements[index, term, which])

    def basis(self) -> np.ndarray:
        """(D, N) array of all configurations (with the conserved total, if there is one).

        Raises
        ------
        ValueError
            More than 4 million configurations.
        """
        size = len(self.local_values) ** self.sites
        if size > LARGEST_BASIS:
            raise ValueError(
                f"{len(self.local_values)}^{self.sites} configurations are too many to list; "
                "use a sampler, or fewer sites"
            )
        digits = np.empty((size, self.sites), np.int8)
        rest = np.arange(size)
        for site in reversed(range(self.sites)):
            rest, digits[:, site] = np.divmod(rest, len(self.local_values))
        configs = (digits * self.step + self.local_values[0]).astype(np.int8)
        if self.total is None:
            return configs
        return configs[configs.sum(1, dtype=np.int64) == self.total]

    def matrix(self) -> scipy.sparse.csr_matrix:
        """H as a sparse matrix in the order of `basis`."""
        configs = self.basis()
        powers = len(self.local_values) ** np.arange(self.sites)[::-1]
        keys = self.digits(configs) @ powers
        diagonal, index, connected, elements = self.rows(configs)
        columns = np.searchsorted(keys, self.digits(connected) @ powers)
        shape = (len(configs), len(configs))
        found = scipy.sparse.csr_matrix((elements, (index, columns)), shape)
        return found + scipy.sparse.diags(diagonal, format="csr")

    def random_configs(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """(count, N) random configurations (with the conserved total, if there is one)."""
        digits = rng.integers(0, len(self.local_values), (count, self.sites))
        if self.total is not None:
            wanted = (self.total - self.sites * self.local_values[0]) // self.step
            digits[:] = 0
            for row in digits:
                places = np.repeat(np.arange(self.sites), len(self.local_values) - 1)
                np.add.at(row, rng.permutation(places)[:wanted], 1)
        return (digits * self.step + self.local_values[0]).astype(np.int8)

    def _check_total(self, total: int) -> int:
        lowest, highest = self.sites * self.local_values[0], self.sites * self.local_values[-1]
        if not lowest <= total <= highest or (total - lowest) % self.step:
            raise ValueError(
                f"total={total}: {self.sites} sites with the values {self.local_values} have "
                f"{lowest}, {lowest + self.step}, ..., {highest}"
            )
        return total

    def __repr__(self) -> str:
        values = "".join(f", {name}={value:g}" for name, value in self.couplings.items())
        return f"<{self.name} on {' x '.join(map(str, self.shape))} sites{values}>"


def _tables(terms: list[Term], sites: int, levels: int, conserved: bool) -> Tables:
    """Look-up tables of the terms; equal matrices share a table."""
    if not terms:
        raise ValueError("a Hamiltonian needs at least one term")
    kinds: dict[tuple[int, bytes], int] = {}
    matrices: list[tuple[np.ndarray, int]] = []
    chosen = []
    width = max(len(where) for _, where in terms)
    for given, where in terms:
        matrix = np.asarray(given, complex if np.iscomplexobj(given) else float)
        _check_term(matrix, where, sites, levels, conserved)
        key = (len(where), matrix.tobytes())
        if key not in kinds:
            kinds[key] = len(matrices)
            matrices.append((matrix, len(where)))
        chosen.append(kinds[key])
    places = np.array([[*where, *[where[0]] * (width - len(where))] for _, where in terms])
    strides = np.array(
        [
            [*(levels ** np.arange(len(where))[::-1]), *[0] * (width - len(where))]
            for _, where in terms
        ]
    )
    most = max(
        int((np.abs(m - np.diag(np.diag(m))) > 0).sum(1).max(initial=0)) for m, _ in matrices
    )
    kind_of = np.result_type(*(matrix for matrix, _ in matrices))
    size = levels**width
    diagonal = np.zeros((len(matrices), size))
    elements = np.zeros((len(matrices), size, max(most, 1)), kind_of)
    delta = np.zeros((len(matrices), size, max(most, 1), width), np.int8)
    for number, (matrix, k) in enumerate(matrices):
        local = np.array(list(itertools.product(range(levels), repeat=k)))
        diagonal[number, : len(matrix)] = np.diag(matrix).real
        for row in range(len(matrix)):
            columns = [c for c in np.flatnonzero(matrix[row]) if c != row]
            elements[number, row, : len(columns)] = matrix[row, columns]
            delta[number, row, : len(columns), :k] = local[columns] - local[row]
    return Tables(places, strides, np.array(chosen), diagonal, elements, delta)


def _check_term(
    matrix: np.ndarray, where: Sequence[int], sites: int, levels: int, conserved: bool
) -> None:
    size = levels ** len(where)
    if matrix.shape != (size, size):
        raise ValueError(
            f"a term on {len(where)} sites with {levels} local values needs a {size} x {size} "
            f"matrix; given {matrix.shape}"
        )
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.conj().T):
        raise ValueError(f"the term on the sites {tuple(where)} is not Hermitian and finite")
    if len(set(where)) < len(where) or min(where) < 0 or max(where) >= sites:
        raise ValueError(
            f"a term acts on the sites {tuple(where)}; expected different sites in 0..{sites - 1}"
        )
    if conserved:
        totals = np.array([sum(c) for c in itertools.product(range(levels), repeat=len(where))])
        rows, columns = np.nonzero(matrix)
        if (totals[rows] != totals[columns]).any():
            raise ValueError(
                f"total is given, but the term on the sites {tuple(where)} does not conserve it"
            )
