"""Estimators in an MPI program: independent on each rank, or with ``comm`` together."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnn_gpu import MLPClassifier
from mnn_gpu.estimators.before_1_7 import HAS_WEIGHTS
from tests.support.fits import FITS, WEIGHTS, bits_of, fitted
from tests.support.ranks import ROOT, SharedJob

Reports = Callable[[int, str], list[Any]]
START = """
from mpi4py import MPI
import json, pickle, os, signal, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
import mnn_gpu
from mnn_gpu import MLPClassifier, MLPRegressor
from tests.support.fits import CLASSES, NUMBERS, WEIGHTS, X, bits_of
comm = MPI.COMM_WORLD
small = {"hidden_layer_sizes": (6,), "max_iter": 6, "device": "cpu"}

def report(value):
    everyones = comm.gather(value)
    if comm.rank == 0:
        print(json.dumps(everyones))
"""

needs_weights = pytest.mark.skipif(not HAS_WEIGHTS, reason="weights need scikit-learn 1.7")


@pytest.fixture
def reports(job: SharedJob) -> Reports:
    """Run a program of N ranks; return the reports of the ranks."""

    def of(count: int, code: str) -> list[Any]:
        everyones: list[Any] = json.loads(job.run_python(count, START + code, ROOT))
        return everyones

    return of


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, job: SharedJob) -> Any:
    """Return the fitted estimators of N ranks."""
    folder = tmp_path_factory.mktemp("fits")

    @cache
    def fits(count: int) -> dict[tuple[str, bool], Any]:
        file = folder / str(count)
        job.run_python(count, f"from tests.support.fits import main; main({str(file)!r})", ROOT)
        found: dict[tuple[str, bool], Any] = pickle.loads(file.read_bytes())
        return found

    return fits


# ---- without a communicator ------------------------------------------------------------


def test_without_a_communicator_every_rank_fits_independently(reports: Reports) -> None:
    """With different data, networks and numbers of epochs, no rank waits for another."""
    code = """
def own(rank):
    kind, rows = (MLPClassifier, MLPRegressor)[rank % 2], slice(40 * rank, 40 * rank + 40)
    settings = {**small, "hidden_layer_sizes": (4 + rank,), "max_iter": 3 + 5 * rank}
    estimator = kind(**settings, random_state=rank, solver=("adam", "lbfgs")[rank])
    estimator.fit(X[rows], CLASSES[rows])
    return bits_of(estimator), estimator.score(X[rows], CLASSES[rows])
if comm.rank == 1:
    mine = [own(rank) for rank in range(comm.size)]
else:
    mine = own(comm.rank)
report(mine)
"""
    first, (expected, _) = reports(2, code)
    assert first == expected


# ---- the same estimator ----------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", FITS)
def test_ranks_fit_what_one_process_fits(together: Any, name: str, weighted: bool) -> None:
    alone = fitted(name, WEIGHTS if weighted else None)
    many = together(3)[name, weighted]
    tolerance = 1e-4 if name == "float32" else 1e-7
    for one, other in zip(
        [*alone.coefs_, *alone.intercepts_], [*many.coefs_, *many.intercepts_], strict=True
    ):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(alone.loss_, many.loss_, rtol=tolerance)
    assert alone.n_iter_ == many.n_iter_
    rows = FITS[name][1]
    if isinstance(many, MLPClassifier):
        np.testing.assert_array_equal(alone.predict(rows), many.predict(rows))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_results_are_bit_identical_for_any_number_of_ranks(together: Any, count: int) -> None:
    found = {key: bits_of(estimator) for key, estimator in together(count).items()}
    assert found == {key: bits_of(estimator) for key, estimator in together(3).items()}


def test_random_numbers_are_those_of_rank_0(reports: Reports) -> None:
    code = """
np.random.seed(comm.rank)
bits = []
for seed in (None, np.random.RandomState(comm.rank), comm.rank):
    estimator = MLPClassifier(**small, random_state=seed, early_stopping=True)
    bits.append(bits_of(estimator.set_params(comm=comm).fit(X, CLASSES)))
    if isinstance(seed, np.random.RandomState):
        bits.append(seed.randint(10**6))
report((bits, np.random.randint(10**6)))
"""
    (first, noise), (second, other_noise) = reports(2, code)
    assert first == second
    assert noise != other_noise


def test_warm_starts_of_several_ranks_continue_together(reports: Reports) -> None:
    """Even if one rank has been fitted more often than the others."""
    code = """
bits = []
for solver in ("adam", "sgd"):
    estimator = MLPClassifier(**small, solver=solver, random_state=1)
    if comm.rank == 0:
        estimator.partial_fit(X, CLASSES, classes=[0, 1, 2])
    estimator.set_params(comm=comm).partial_fit(X[:70], CLASSES[:70], classes=[0, 1, 2])
    bits.append(bits_of(estimator.partial_fit(X[70:], CLASSES[70:])))
    for more in ({}, {"early_stopping": True}):
        warm = MLPRegressor(**small, solver=solver, random_state=1, warm_start=True, **more)
        warm.set_params(comm=comm).fit(X, NUMBERS)
        bits.append(bits_of(warm.fit(X, NUMBERS)))
report(bits)
"""
    assert len({*map(tuple, reports(2, code)), *map(tuple, reports(1, code))}) == 1


def test_an_interrupted_fit_continues_with_another_number_of_ranks(
    reports: Reports, tmp_path: Path
) -> None:
    code = f"""
whole = MLPClassifier(**small, random_state=3, comm=MPI.COMM_SELF).fit(X, CLASSES)
estimator = MLPClassifier(**small, random_state=3, comm=comm, warm_start=True)
estimator.checkpoint = {str(tmp_path)!r}
class Cut(Exception):
    pass
def cut(*arguments):
    update(*arguments)
    if len(estimator.loss_curve_) == 4:
        raise Cut
if not os.listdir(estimator.checkpoint):
    update, estimator._update_no_improvement_count = estimator._update_no_improvement_count, cut
    try:
        estimator.fit(X, CLASSES)
    except Cut:
        report(estimator.n_iter_)
else:
    estimator.fit(X, CLASSES)
    report([bits_of(estimator) == bits_of(whole), estimator.loss_curve_ == whole.loss_curve_])
"""
    assert reports(2, code) == [4, 4]
    assert reports(3, code) == [[True, True]] * 3
    assert len(list(tmp_path.glob("checkpoint-*"))) == 2


# ---- messages and errors ------------------------------------------------------------


@needs_weights
def test_ranks_with_different_arguments_are_refused(reports: Reports) -> None:
    code = """
mine = comm.rank == 1
gaps, names = np.where(mine & (X > 0.9), np.nan, X), np.array(["a", "b", "c"])
cases = [
    ((X + mine, CLASSES), {}),
    ((X, np.roll(CLASSES, mine)), {}),
    ((X, names[CLASSES] if mine else CLASSES), {}),
    ((X, CLASSES, WEIGHTS + mine), {}),
    ((X, CLASSES, WEIGHTS if mine else None), {}),
    ((X, CLASSES), {"alpha": 1.0 + mine}),
    ((X, CLASSES), {"solver": "lbfgs" if mine else "adam"}),
    ((gaps, CLASSES), {}),
    ((X, CLASSES, WEIGHTS[mine:]), {}),
]
messages = []
for data, settings in cases:
    try:
        MLPClassifier(**small, **settings, comm=comm).fit(*data)
    except Exception as error:
        messages.append(f"{type(error).__name__}: {error}".splitlines()[0])
report(messages)
"""
    first, second = reports(2, code)
    differ = "UsageError: The ranks have different "
    assert [line.removeprefix(differ).partition(":")[0] for line in first[:-2]] == [
        *("data or labels", "data or labels", "classes"),
        *("sample weights", "sample_weight is None", "alpha", "solver"),
    ]
    assert first[-2] == "RankError: Rank 1 failed: ValueError: Input X contains NaN."
    assert first[-1].startswith("RankError: Rank 1 failed: ValueError: ")
    assert second[0] == first[0]
    assert second[-2] == "ValueError: Input X contains NaN."


def test_an_interrupt_of_one_rank_stops_all_at_the_same_step(reports: Reports) -> None:
    code = """
class Interrupted(MLPClassifier):
    def _update_no_improvement_count(self, *arguments):
        super()._update_no_improvement_count(*arguments)
        if comm.rank == 1 and len(self.loss_curve_) == 2:
            os.kill(os.getpid(), signal.SIGINT)
estimator = Interrupted(**small, random_state=0, batch_size=5, comm=comm)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    estimator.fit(X, CLASSES)
report([bits_of(estimator), [str(w.message) for w in caught], estimator._optimizer.steps])
"""
    first, second = reports(2, code)
    assert first == second
    assert first[1] == ["Training interrupted by user."]
    assert 52 < first[2] < 78  # With 26 steps per epoch.


def test_one_rank_is_verbose(job: SharedJob) -> None:
    code = """
for solver in ("adam", "lbfgs"):
    estimator = MLPClassifier(**small, solver=solver, verbose=True, comm=comm).fit(X, CLASSES)
    assert estimator.verbose is True
"""
    lines = job.run_python(2, START + code, ROOT).splitlines()
    assert [sum(line.startswith(f"Iteration {i},") for line in lines) for i in (1, 6)] == [1, 1]


def test_sparse_data_too_large_to_be_dense_are_refused(reports: Reports) -> None:
    code = """
import mnn_gpu.estimators.device_fit, scipy.sparse, unittest.mock
messages = []
for solver in ("sgd", "lbfgs"):
    with unittest.mock.patch("mnn_gpu.estimators.device_fit.DENSE_SHARE", 0):
        try:
            MLPClassifier(solver=solver, comm=comm).fit(scipy.sparse.csr_array(X), CLASSES)
        except mnn_gpu.UsageError as error:
            messages.append(error.cause)
report(messages)
"""
    assert (
        reports(2, code)
        == [["Sparse data that are too large to be dense cannot be divided between ranks."] * 2] * 2
    )


def test_an_invalid_communicator_is_refused() -> None:
    with pytest.raises(ValueError, match="The 'comm' parameter of MLPClassifier must be"):
        MLPClassifier(comm=5).fit([[0.0], [1.0]], [0, 1])


# ---- in scikit-learn's company ---------------------------------------------------------


def test_a_grid_search_and_its_clones_run_on_all_ranks(reports: Reports) -> None:
    """Also for a group of ranks, whose communicator cannot be copied."""
    code = """
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
found = []
for of in (comm, comm.Split(0)):
    estimator = MLPClassifier(**small, random_state=0, comm=of)
    assert clone(estimator).comm is of
    assert "comm=<mpi4py.MPI.Intracomm" in repr(estimator)
    assert "comm" in estimator._repr_html_()
    chain = make_pipeline(StandardScaler(), estimator)
    search = GridSearchCV(chain, {"mlpclassifier__alpha": [1e-4, 10.0]}, cv=2).fit(X, CLASSES)
    assert search.best_estimator_[-1].comm is of
    found.append((search.best_params_, search.best_score_, bits_of(search.best_estimator_[-1])))
report(found)
"""
    first, *others = reports(SharedJob.SIZE, code)  # The group with all ranks uses COMM_WORLD.
    assert first[0] == first[1]
    assert others == [first] * (SharedJob.SIZE - 1)


def test_estimators_pickled_in_a_job_load_without_mpi(together: Any, tmp_path: Path) -> None:
    estimator = together(3)["adam", False]
    assert estimator.comm is None
    (tmp_path / "model").write_bytes(pickle.dumps(estimator))
    code = (
        "import pickle, sys; sys.modules['mpi4py'] = None\n"
        "estimator = pickle.load(open('model', 'rb'))\n"
        "print(*estimator.predict([[0.5] * 12, [0.1] * 12]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    expected = estimator.predict([[0.5] * 12, [0.1] * 12])
    assert result.stdout.split() == [str(label) for label in expected]


@needs_weights
def test_arrays_of_other_libraries_are_divided_between_ranks(reports: Reports) -> None:
    """Through the host; here with a library whose arrays NumPy cannot read."""
    code = """
import array_api_strict as xp
there, bits = xp.asarray(X), []
for solver in ("adam", "lbfgs"):
    settings = {**small, "solver": solver, "random_state": 0, "comm": comm}
    one = MLPClassifier(**settings).fit(there, CLASSES, WEIGHTS)
    other = MLPClassifier(**settings).fit(X, CLASSES, WEIGHTS)
    np.testing.assert_allclose(one.coefs_[0], other.coefs_[0], rtol=1e-9)
    bits.append(bits_of(one))
report(bits)
"""
    first, second = reports(2, code)
    assert first == second
