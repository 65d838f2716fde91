"""Clusters of vectors: where many messages lie close together and apart from the rest.

HDBSCAN (Campello et al. 2013) needs no number of clusters and leaves out what belongs to none; its leaves are the smallest
clusters there are, so two labels that are near each other do not become one. Distances in hundreds of dimensions say little,
so the vectors are brought down to their main directions first.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.cluster import HDBSCAN

from workers.discovering.vectors import Vectors

LEAST = 10
_DIRECTIONS = 32
_TINY = 1e-12
_NEIGHBOURS = 5  # how many must be near for a place to be dense


@dataclass(frozen=True, slots=True)
class Cluster:
    """The places of its members among the vectors, the most central first."""

    members: tuple[int, ...]


def clusters(vectors: Vectors, least: int = LEAST) -> list[Cluster]:
    """Return the clusters of at least so many vectors, the largest first. The same vectors give the same clusters."""
    count = len(vectors)
    if count < max(least, _NEIGHBOURS + 1):
        return []
    unit = _reduced(vectors)
    model = HDBSCAN(min_cluster_size=least, min_samples=_NEIGHBOURS, cluster_selection_method="leaf", copy=True)
    found = model.fit_predict(unit)
    made = [_central(unit, np.flatnonzero(found == number)) for number in range(found.max() + 1)]
    return sorted(made, key=lambda one: (-len(one.members), one.members))


def _reduced(vectors: Vectors) -> Vectors:
    """Return the vectors along their main directions (principal components), each of length one or zero."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    reduced = centred @ directions[:, -_DIRECTIONS:]
    norms = np.linalg.norm(reduced, axis=1, keepdims=True)
    unit: Vectors = reduced / np.where(norms > _TINY, norms, 1.0)
    return unit


def _central(unit: Vectors, members: npt.NDArray[np.intp]) -> Cluster:
    middle = unit[members].mean(axis=0)
    order = np.argsort(-(unit[members] @ middle), kind="stable")
    return Cluster(tuple(int(members[place]) for place in order))
