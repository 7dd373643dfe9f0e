"""Training: accuracy, records, refused input; the same bits every time."""

from __future__ import annotations

import gc
import itertools
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mnn_gpu import (
    RECIPES,
    Augmentation,
    DataError,
    DivergedError,
    Hook,
    Model,
    Record,
    TrainingConfig,
    TrainingInterrupted,
    UsageError,
    evaluate,
    load_mnist,
    predict,
    predict_proba,
    select_backend,
    train,
)
from mnn_gpu.backends import Backend, Memory
from mnn_gpu.backends.array_api_backend import PlainBackend
from mnn_gpu.nn.parameters import flatten, init_parameters, unflatten
from mnn_gpu.training.batches import in_memory as batches
from mnn_gpu.training.batches.noise import batch_noise
from mnn_gpu.training.run import TrainingRun
from mnn_gpu.training.trainer import Trainer
from mnn_gpu.utils.random_streams import PARAMETERS, generator
from tests.support import oracle
from tests.support.libraries import library, without_float64

SMALL = TrainingConfig(hidden=(8,), learning_rate=0.5, iterations=200)


class Watch(Hook):
    """Records all calls of a hook."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def on_start(self, iterations: int) -> None:
        self.calls.append(("start", iterations))

    def on_step(self, iteration: int) -> None:
        self.calls.append(iteration)

    def on_record(self, record: Record) -> None:
        self.calls.append(record)

    def on_end(self) -> None:
        self.calls.append("end")


# ---- accuracy ------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 30, 7])
def test_it_learns(backend: Backend, images: dict[str, Any], batch_size: int | None) -> None:
    config = TrainingConfig(hidden=(8,), learning_rate=0.5, epochs=200, batch_size=batch_size)
    model, history = train(images["X"], images["y"], config, backend=backend)
    assert history.training.accuracy == 1
    assert history.training.loss < 0.1
    np.testing.assert_array_equal(predict(model, images["X"], backend), images["y"])


def test_full_batches_follow_the_oracle(backend: Backend, images: dict[str, Any]) -> None:
    config = TrainingConfig(hidden=(5, 4), iterations=3, dtype="float64", seed=9, shard_rows=7)
    model, _ = train(images["X"], images["y"], config, backend=backend)
    layers = init_parameters((12, 5, 4, 3), generator(PARAMETERS, 9))
    expected = oracle.iterate(layers, images["X"].T / 255, images["y"], 3, 0.1)
    np.testing.assert_allclose(model.theta, flatten(expected), rtol=1e-11, atol=1e-13)


def test_each_epoch_sees_every_row_once_in_a_new_order(images: dict[str, Any]) -> None:
    # A learning rate this small leaves the parameters alone, so an epoch's mean loss is
    # that of the whole set only if every row was seen exactly once.
    config = TrainingConfig(hidden=(4,), learning_rate=1e-12, epochs=3, batch_size=7)
    _, history = train(images["X"], images["y"], config, backend=select_backend("cpu"))
    for record in history.records:
        assert record.loss == pytest.approx(history.training.loss, rel=1e-5)
        assert record.accuracy == pytest.approx(history.training.accuracy)


def test_the_notebook_learns_mnist(backend: Backend) -> None:
    (X, y), _ = load_mnist()
    config = TrainingConfig(iterations=100)
    _, history = train(X[:2000], y[:2000], config, backend=backend)
    assert history.training.accuracy > 0.5


@pytest.mark.gpu
def test_the_gpu_agrees_with_the_cpu(images: dict[str, Any]) -> None:
    thetas = [
        train(images["X"], images["y"], SMALL, backend=select_backend(device))[0].theta
        for device in ("cpu", "cuda")
    ]
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("recipe", ["notebook", "fast", "accurate"])
def test_every_backend_takes_the_same_first_hundred_steps(backend: Backend, recipe: str) -> None:
    config = replace(
        RECIPES[recipe].config,
        hidden=(32, 16),
        epochs=None,
        iterations=100,
        learning_rate=0.1 if recipe == "notebook" else 1e-4,
    )
    (X, y), _ = load_mnist()
    thetas = [
        train(X[:1000], y[:1000], config, backend=where)[0].theta
        for where in (select_backend("cpu"), backend)
    ]
    assert thetas[0].dtype == np.float32
    apart = np.linalg.norm(thetas[0] - thetas[1]) / np.linalg.norm(thetas[0])
    assert apart < 1e-4
    if backend.name == "numpy":
        assert apart == 0  # The same seed, the same bits.


def test_deformed_training_does_not_depend_on_the_shards(
    backend: Backend, images: dict[str, Any]
) -> None:
    config = TrainingConfig(
        hidden=(8,),
        epochs=3,
        batch_size=10,
        dropout=0.2,
        input_dropout=0.1,
        augmentation=Augmentation(),
        image_shape=(3, 4),
        dtype="float64" if backend.name == "numpy" else "float32",
    )
    whole, _ = train(images["X"], images["y"], config, backend=backend)
    cut, _ = train(images["X"], images["y"], replace(config, shard_rows=3), backend=backend)
    tolerance = 1e-9 if backend.name == "numpy" else 1e-4
    np.testing.assert_allclose(whole.theta, cut.theta, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("init", ["he", "glorot"])
def test_the_first_parameters_are_drawn_as_asked(init: str) -> None:
    sizes = (300, 200, 100)
    for (inputs, outputs), (W, b) in zip(
        itertools.pairwise(sizes),
        init_parameters(sizes, np.random.default_rng(0), init),
        strict=True,
    ):
        variance = 2 / inputs if init == "he" else 2 / (inputs + outputs)
        assert W.var() == pytest.approx(variance, rel=0.03)
        assert not b.any()


@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_model_trained_on_scaled_inputs_takes_them_as_they_are(
    backend: Backend, images: dict[str, Any], batch_size: int | None, ema_decay: float
) -> None:
    config = replace(
        SMALL, scale_inputs=True, learning_rate=0.05, batch_size=batch_size, ema_decay=ema_decay
    )
    held_out = images["X"][::2], images["y"][::2]
    model, history = train(images["X"], images["y"], config, backend=backend, validation=held_out)
    scores = evaluate(model, *held_out)
    assert history.records[-1].validation_loss == pytest.approx(scores.loss, rel=1e-5)
    assert history.training.accuracy == 1
    plain, _ = train(images["X"], images["y"], replace(config, scale_inputs=False), backend=backend)
    first = [unflatten(m.theta, m.layer_sizes)[0][0] for m in (model, plain)]
    assert not np.allclose(*first)


def test_the_average_is_what_is_evaluated_and_kept(images: dict[str, Any]) -> None:
    last, _ = train(images["X"], images["y"], replace(SMALL, ema_decay=0.0))
    kept, history = train(
        images["X"],
        images["y"],
        replace(SMALL, ema_decay=0.99),
        validation=(images["X"], images["y"]),
    )
    assert not np.array_equal(last.theta, kept.theta)
    scores = evaluate(kept, images["X"], images["y"])
    assert history.records[-1].validation_loss == pytest.approx(scores.loss)
    assert history.training.loss == pytest.approx(scores.loss)


# ---- the same bits -------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 7])
def test_the_seed_decides_everything(
    backend: Backend, images: dict[str, Any], batch_size: int | None
) -> None:
    def theta(seed: int) -> Any:
        config = TrainingConfig(hidden=(8,), iterations=30, batch_size=batch_size, seed=seed)
        return train(images["X"], images["y"], config, backend=backend)[0].theta

    np.testing.assert_array_equal(theta(1), theta(1))
    assert not np.array_equal(theta(1), theta(2))


def test_pixels_and_fractions_train_alike(images: dict[str, Any]) -> None:
    cpu = select_backend("cpu")
    fractions = images["X"].astype(np.float32) * np.float32(1 / 255)
    thetas = [train(X, images["y"], SMALL, backend=cpu)[0].theta for X in (images["X"], fractions)]
    np.testing.assert_array_equal(thetas[0], thetas[1])


def test_scaling_in_every_step_gives_the_same_bits_as_scaling_once(
    images: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = select_backend("cpu")
    roomy, _ = train(images["X"], images["y"], SMALL, backend=cpu)
    monkeypatch.setattr(type(cpu), "memory", lambda _: Memory(free=5000, total=5000))
    narrow, _ = train(images["X"], images["y"], SMALL, backend=cpu)
    np.testing.assert_array_equal(roomy.theta, narrow.theta)


# ---- the history ---------------------------------------------------------------------


def test_full_batches_are_recorded_every_hundred_iterations_and_at_the_end(
    images: dict[str, Any],
) -> None:
    config = TrainingConfig(hidden=(4,), iterations=250)
    held_out = (images["X"][:6], images["y"][:6])
    _, history = train(images["X"], images["y"], config, validation=held_out)
    assert [record.iteration for record in history.records] == [100, 200, 250]
    assert [record.epoch for record in history.records] == [100, 200, 250]
    assert all(a.seconds < b.seconds for a, b in itertools.pairwise(history.records))
    assert history.iterations == 250
    assert history.validation is not None
    assert history.records[-1].validation_accuracy == history.validation.accuracy
    assert history.validation.rows == 6


def test_minibatches_are_recorded_every_epoch(images: dict[str, Any]) -> None:
    config = TrainingConfig(hidden=(4,), iterations=12, batch_size=7)
    _, history = train(images["X"], images["y"], config)
    assert [record.iteration for record in history.records] == [5, 10, 12]
    assert [record.epoch for record in history.records] == [1, 2, 3]
    assert all(0 <= record.accuracy <= 1 for record in history.records)


def test_report_every_is_obeyed(images: dict[str, Any]) -> None:
    config = TrainingConfig(hidden=(4,), iterations=10, report_every=4)
    _, history = train(images["X"], images["y"], config)
    assert [record.iteration for record in history.records] == [4, 8, 10]


def test_hooks_are_told_everything_in_order(images: dict[str, Any]) -> None:
    watch = Watch()
    config = TrainingConfig(hidden=(4,), iterations=3, report_every=2)
    _, history = train(images["X"], images["y"], config, hooks=[watch])
    first, last = history.records
    assert watch.calls == [("start", 3), 1, 2, first, 3, last, "end"]


def test_the_last_record_and_the_final_scores_fit(images: dict[str, Any]) -> None:
    model, history = train(images["X"], images["y"], SMALL, backend=select_backend("cpu"))
    scores = evaluate(model, images["X"], images["y"], select_backend("cpu"))
    assert history.training.accuracy == scores.accuracy
    assert history.training.loss == pytest.approx(scores.loss, rel=1e-5)
    assert history.records[-1].loss == pytest.approx(scores.loss, rel=0.05)


# ---- what goes wrong -----------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 7])
def test_divergence_names_the_iteration_and_what_to_lower(
    backend: Backend, images: dict[str, Any], batch_size: int | None
) -> None:
    config = TrainingConfig(hidden=(8, 8), learning_rate=1e30, iterations=60, batch_size=batch_size)
    with pytest.raises(DivergedError, match=r"from iteration [2-9] on") as caught:
        train(images["X"], images["y"], config, backend=backend)
    assert "try --lr 0.1" in caught.value.cure
    assert 2 <= caught.value.iteration <= 9


def test_an_interrupt_keeps_what_was_learnt(images: dict[str, Any]) -> None:
    class Impatient(Watch):
        def on_step(self, iteration: int) -> None:
            super().on_step(iteration)
            if iteration == 5:
                raise KeyboardInterrupt

    watch = Impatient()
    with pytest.raises(TrainingInterrupted) as caught:
        train(images["X"], images["y"], SMALL, hooks=[watch])
    assert watch.calls[-1] == "end"
    assert caught.value.history.iterations == 5
    five = TrainingConfig(hidden=(8,), learning_rate=0.5, iterations=5)
    expected, _ = train(images["X"], images["y"], five)
    np.testing.assert_array_equal(caught.value.model.theta, expected.theta)


@pytest.mark.parametrize("config", [RECIPES["fast"], {"hidden": (10,)}, "fast"])
def test_a_configuration_is_wanted(images: dict[str, Any], config: Any) -> None:
    with pytest.raises(UsageError, match="not a TrainingConfig") as caught:
        train(images["X"], images["y"], config)
    assert ".config" in caught.value.cure


def test_images_that_cannot_be_deformed_are_refused(images: dict[str, Any]) -> None:
    config = TrainingConfig(augmentation=Augmentation(), iterations=2)
    with pytest.raises(UsageError, match=r"shape \(30, 12\) holds no images") as caught:
        train(images["X"], images["y"], config)
    assert "--image-shape" in caught.value.cure
    with pytest.raises(UsageError, match="5 x 5 do not have 12"):
        train(images["X"], images["y"], replace(config, image_shape=(5, 5)))
    train(images["X"], images["y"], replace(config, image_shape=(3, 4)))
    train(images["X"].reshape(-1, 4, 3), images["y"], config)
    train(images["X"].reshape(-1, 4, 3, 1), images["y"], config)
    for shape in ((-1, 1, 12), (-1, 2, 2, 3)):
        with pytest.raises(UsageError, match="holds no images"):
            train(images["X"].reshape(shape), images["y"], config)


def test_rows_and_labels_must_fit(images: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="for 30 images"):
        train(images["X"], images["y"][:7])
    with pytest.raises(DataError, match="not one of the model's 3 classes"):
        train(images["X"], images["y"], SMALL, validation=(images["X"], images["y"] + 1))
    with pytest.raises(DataError, match="validation images have 11 pixels"):
        train(images["X"], images["y"], SMALL, validation=(images["X"][:, 1:], images["y"]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden": (0,)},
        {"hidden": "ten"},
        {"hidden": (2**40,)},
        {"iterations": 10**30},
        {"learning_rate": "0.1"},
        {"learning_rate": None},
        {"learning_rate": 10**400},
        {"optimizer": "lbfgs"},
        {"schedule": "square"},
        {"hidden": (10, -1)},
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"iterations": 0},
        {"epochs": 0},
        {"iterations": 5, "epochs": 5},
        {"batch_size": 0},
        {"shard_rows": 0},
        {"report_every": 0},
        {"seed": -1},
        {"seed": 1.5},
        {"dtype": "float16"},
        {"matmul_precision": "fp8"},
        {"matmul_precision": "tf32", "dtype": "float64"},
        {"init": "zeros"},
        {"scale_inputs": 2.0},
        {"momentum": 1},
        {"beta2": -0.1},
        {"weight_decay": -1},
        {"weight_decay": float("inf")},
        {"ema_decay": 1.0},
        {"warmup": 1.0},
        {"clip_norm": 0},
        {"max_norm": True},
        {"dropout": 1},
        {"dropout": 0.999},
        {"dropout": 0.001},
        {"dropout": float("inf")},
        {"hidden": np.array(0)},
        {"dtype": np.dtype("float32")},
        {"init": np.array(["he"])},
        {"input_dropout": "0.2"},
        {"label_smoothing": None},
        {"augmentation": True},
        {"image_shape": 28},
        {"image_shape": (28, 1)},
        {"patience": 0},
        {"target_accuracy": 98},
        {"target_accuracy": 0},
    ],
)
def test_a_recipe_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        TrainingConfig(**wrong)
    assert caught.value.cure


def test_numpy_numbers_are_taken_and_do_not_widen_the_arithmetic(images: dict[str, Any]) -> None:
    config = TrainingConfig(
        hidden=(np.int64(4),),  # type: ignore[arg-type]
        learning_rate=np.float64(0.1),
        seed=np.int64(3),  # type: ignore[arg-type]
        iterations=2,
    )
    model, _ = train(images["X"], images["y"], config)
    assert model.theta.dtype == np.float32
    assert type(config.learning_rate) is float
    assert config.hidden == (4,)
    assert TrainingConfig(hidden=7).hidden == (7,)  # type: ignore[arg-type]


def test_classes_may_be_named_that_are_in_no_training_row(images: dict[str, Any]) -> None:
    model, _ = train(images["X"], images["y"], SMALL, classes=[0, 1, 2, 9])
    assert model.classes.tolist() == [0, 1, 2, 9]
    with pytest.raises(DataError, match="not one of the model's 2 classes"):
        train(images["X"], images["y"], SMALL, classes=[0, 1])


def test_a_network_that_fits_no_memory_is_refused_before_it_is_made(
    images: dict[str, Any],
) -> None:
    with pytest.raises(UsageError, match="GiB to train"):
        train(images["X"], images["y"], TrainingConfig(hidden=(10**9, 10**9)))


def test_a_tie_is_scored_as_it_is_predicted(images: dict[str, Any]) -> None:
    model, _ = train(images["X"], images["y"], SMALL)
    zero = Model(np.zeros_like(model.theta), model.layer_sizes, model.classes)
    right = (predict(zero, images["X"]) == images["y"]).mean()
    assert evaluate(zero, images["X"], images["y"]).accuracy == pytest.approx(right)


# ---- shapes --------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [(), (3,), (5, 4, 3, 2)])
def test_any_number_of_hidden_layers(images: dict[str, Any], hidden: tuple[int, ...]) -> None:
    config = TrainingConfig(hidden=hidden, iterations=5)
    model, _ = train(images["X"], images["y"], config)
    assert model.layer_sizes == (12, *hidden, 3)
    assert len(model.layers) == len(hidden) + 1


def test_one_row_one_feature_one_class() -> None:
    model, history = train([[200]], [5], TrainingConfig(hidden=(2,), iterations=3), classes=[5])
    assert model.classes.tolist() == [5]
    assert history.training.accuracy == 1


def test_a_batch_larger_than_the_data_is_the_whole_of_it(images: dict[str, Any]) -> None:
    config = TrainingConfig(hidden=(4,), epochs=3, batch_size=1000)
    _, history = train(images["X"], images["y"], config)
    assert history.iterations == 3


def test_classes_keep_their_labels(images: dict[str, Any]) -> None:
    labels = np.array([1000, 7, 42])[images["y"]]
    model, _ = train(images["X"], labels, SMALL)
    assert model.classes.tolist() == [7, 42, 1000]
    np.testing.assert_array_equal(predict(model, images["X"]), labels)
    assert evaluate(model, images["X"], labels).errors == 0
    with pytest.raises(DataError, match="row 1: the label 8 is not one of the model's 3 classes"):
        evaluate(model, images["X"][:1], [8])


def test_probabilities_are_those_of_the_prediction(
    backend: Backend, images: dict[str, Any]
) -> None:
    model, _ = train(images["X"], images["y"], SMALL, backend=backend)
    P = predict_proba(model, images["X"], backend)
    assert P.shape == (30, 3)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(
        model.classes[P.argmax(axis=1)], predict(model, images["X"], backend)
    )
    with pytest.raises(DataError, match="11 pixels, the model was trained on 12"):
        predict(model, images["X"][:, 1:], backend)


@pytest.mark.parametrize("name", ["numpy", "array_api_strict"])
def test_random_numbers_are_drawn_while_another_device_works(
    monkeypatch: pytest.MonkeyPatch, images: dict[str, Any], name: str
) -> None:
    drawn_by = set()

    def noted(*arguments: Any) -> Any:
        drawn_by.add(threading.current_thread().name)
        return batch_noise(*arguments)

    monkeypatch.setattr(batches, "batch_noise", noted)
    config = TrainingConfig(
        hidden=(6,),
        batch_size=10,
        epochs=4,
        dropout=0.25,
        augmentation=Augmentation(),
        image_shape=(3, 4),
    )
    there = PlainBackend.of(library(name).asarray([0.0]))
    model, _ = train(images["X"], images["y"], config, backend=there)
    expected, _ = train(images["X"], images["y"], config, backend=select_backend("cpu"))
    assert drawn_by == {"mnn_gpu prefetch", "MainThread"}
    assert "mnn_gpu prefetch" not in [thread.name for thread in threading.enumerate()]
    np.testing.assert_allclose(model.theta, expected.theta, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("sums", [{"shard_rows": 7}, {"shards": 4, "batch_size": 10}])
def test_a_device_without_float64_sums_in_float32(
    images: dict[str, Any], sums: dict[str, Any]
) -> None:
    config = TrainingConfig(hidden=(6,), iterations=9, optimizer="adam", **sums)
    there = PlainBackend.of(without_float64().asarray([0.0], "float32"))
    data = images["X"] / 255, images["y"]  # float64
    model, _ = train(*data, config, backend=there, validation=data)
    expected, _ = train(*data, config, backend=select_backend("cpu"))
    np.testing.assert_allclose(model.theta, expected.theta, rtol=1e-4, atol=1e-6)
    scores = [evaluate(model, *data, backend) for backend in (there, select_backend("cpu"))]
    assert scores[0].loss == pytest.approx(scores[1].loss)


@pytest.mark.parametrize("batch_size", [None, 10])
def test_float64_is_refused_on_a_device_without_it(
    images: dict[str, Any], batch_size: int | None
) -> None:
    there = PlainBackend.of(without_float64().asarray([0.0], "float32"))
    config = TrainingConfig(iterations=1, dtype="float64", batch_size=batch_size)
    with pytest.raises(UsageError, match="has no float64"):
        train(images["X"], images["y"], config, backend=there)


def test_labels_of_one_class_are_refused_unless_classes_are_given(images: dict[str, Any]) -> None:
    y = np.full(30, 7)
    with pytest.raises(DataError, match="all labels are 7"):
        train(images["X"], y, SMALL)
    model, _ = train(images["X"], y, SMALL, classes=[7, 8])
    assert model.classes.tolist() == [7, 8]


@pytest.mark.parametrize("changes", [{}, {"batch_size": 20, "shards": 4}], ids=["whole", "batches"])
def test_the_memory_of_a_run_is_freed_without_the_garbage_collector(
    backend: Backend, images: dict[str, Any], changes: dict[str, Any]
) -> None:
    config = replace(SMALL, iterations=5, **changes)

    def runs() -> int:
        # Not isinstance: it reads __class__, at which lazy objects of other libraries import.
        return sum(type(one) in (TrainingRun, Trainer) for one in gc.get_objects())

    gc.collect()  # Garbage of earlier tests must not be counted, nor be freed meanwhile.
    gc.disable()
    try:
        before = runs()
        train(images["X"], images["y"], config, backend=backend)
        assert runs() == before
    finally:
        gc.enable()
