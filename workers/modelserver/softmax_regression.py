"""Multinomial logistic regression with an L2 penalty, and one temperature that makes its probabilities honest. Pure numpy.

With few examples a class the raw probabilities are far too low (expected calibration error 0.2 to 0.4); one sharpness fitted on
logits of examples that the model has not seen brings it to about 0.02 (Guo et al., 2017, "On Calibration of Modern Neural
Networks"). Fitting is L-BFGS (Nocedal and Wright, 2006, algorithm 7.4) with a backtracking line search.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
Labels = npt.NDArray[np.intp]
_ITERATIONS = 30
_MEMORY = 8
_CONVERGED = 1e-4  # relative change of the objective
_ARMIJO, _LEAST_STEP = 1e-4, 1e-6
_FOLDS = 5
_SHARPNESSES = np.exp(np.linspace(-2.0, 3.5, 56))  # 0.14 to 33


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Logits of a vector are `(vector - mean) @ weights + bias`; `sharpness` multiplies them before the softmax."""

    mean: Matrix
    weights: Matrix
    bias: Matrix
    sharpness: float

    def logits(self, vectors: Matrix) -> Matrix:
        centred: Matrix = vectors - self.mean
        scores: Matrix = centred @ self.weights
        return (scores + self.bias) * np.float32(self.sharpness)


def softmax(logits: Matrix) -> Matrix:
    """Return probabilities along the last axis."""
    powers: Matrix = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Matrix = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def fit(vectors: Matrix, labels: Labels, classes: int, inverse_penalty: float = 30.0, sharpness: float = 1.0) -> LinearHead:
    """Return the head that minimises cross entropy plus `|weights|^2 / (2 inverse_penalty)`; the bias is not penalised."""
    mean: Matrix = vectors.mean(axis=0)
    design = np.hstack([vectors - mean, np.ones((len(vectors), 1), np.float32)])
    penalty = np.full((design.shape[1], 1), 1 / inverse_penalty, np.float32)
    penalty[-1] = 1e-4  # only so that the bias has one solution
    rows = np.arange(len(labels))

    def objective(weights: Matrix) -> tuple[float, Matrix]:
        scores = design @ weights
        scores -= scores.max(axis=1, keepdims=True)
        powers = np.exp(scores)
        totals = powers.sum(axis=1, keepdims=True)
        loss = (np.log(totals[:, 0]) - scores[rows, labels]).sum() + 0.5 * (penalty * weights * weights).sum()
        powers /= totals
        powers[rows, labels] -= 1
        return float(loss), design.T @ powers + penalty * weights

    solution = _lbfgs(objective, np.zeros((design.shape[1], classes), np.float32))
    return LinearHead(mean, solution[:-1], solution[-1], sharpness)


def fit_calibrated(vectors: Matrix, labels: Labels, classes: int) -> LinearHead:
    """Fit, and set the sharpness by the likelihood of examples that were held out in turn (five folds)."""
    folds = _folds(labels, classes)
    held_out = np.zeros((len(labels), classes), np.float32)
    for fold in range(_FOLDS):
        seen = folds != fold
        if not seen.all():
            held_out[~seen] = fit(vectors[seen], labels[seen], classes).logits(vectors[~seen])
    return fit(vectors, labels, classes, sharpness=fit_sharpness(held_out, labels))


def fit_sharpness(logits: Matrix, labels: Labels) -> float:
    """Return the factor on the logits under which the labels are most likely."""
    rows = np.arange(len(labels))
    likelihoods = [float(np.log(softmax(logits * np.float32(factor))[rows, labels] + 1e-12).sum()) for factor in _SHARPNESSES]
    return float(_SHARPNESSES[int(np.argmax(likelihoods))])


def _folds(labels: Labels, classes: int) -> Labels:
    """Number the examples of each class 0, 1, 2, 3, 4, 0, ... in their order, so that folds are stratified and repeatable."""
    folds = np.zeros(len(labels), np.intp)
    for label in range(classes):
        places = np.flatnonzero(labels == label)
        folds[places] = np.arange(len(places)) % _FOLDS
    return folds


def _lbfgs(objective: Callable[[Matrix], tuple[float, Matrix]], start: Matrix) -> Matrix:
    point = start
    value, gradient = objective(point)
    memory: list[tuple[Matrix, Matrix]] = []
    for _ in range(_ITERATIONS):
        direction = _direction(gradient, memory)
        slope = float((gradient * direction).sum())
        step = 1.0
        while True:
            candidate = point - np.float32(step) * direction
            next_value, next_gradient = objective(candidate)
            if next_value <= value - _ARMIJO * step * slope or step < _LEAST_STEP:
                break
            step /= 2
        moved, turned = candidate - point, next_gradient - gradient
        if float((moved * turned).sum()) > 0:
            memory = [*memory, (moved, turned)][-_MEMORY:]
        settled = abs(value - next_value) < _CONVERGED * abs(next_value)
        point, value, gradient = candidate, next_value, next_gradient
        if settled:
            break
    return point


def _direction(gradient: Matrix, memory: list[tuple[Matrix, Matrix]]) -> Matrix:
    """Return the inverse Hessian, as far as the memory knows it, times the gradient."""
    direction = gradient.copy()
    factors = []
    for moved, turned in reversed(memory):
        factor = np.float32((moved * direction).sum() / (moved * turned).sum())
        factors.append(factor)
        direction -= factor * turned
    if memory:
        moved, turned = memory[-1]
        direction *= np.float32((moved * turned).sum() / (turned * turned).sum())
    else:
        direction /= np.float32(max(1e-12, np.sqrt((gradient * gradient).sum())))
    for (moved, turned), factor in zip(memory, reversed(factors), strict=True):
        direction += (factor - np.float32((turned * direction).sum() / (moved * turned).sum())) * moved
    return direction
