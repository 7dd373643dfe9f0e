"""Plots: their artists contain the measured values; any labels, classes and shapes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import mnn_gpu
from mnn_gpu import Augmentation, History, Model, Record, TrainingConfig, UsageError, plots
from mnn_gpu.nn.parameters import parameter_count
from mnn_gpu.plots.calibration import calibration_bins, wilson
from mnn_gpu.plots.confusion import WORST, worst_pairs
from mnn_gpu.plots.predictions import Predictions
from mnn_gpu.training.learning_curve import MAX_RECORDS, columns
from scripts.research.study import report

CONFIG = TrainingConfig(hidden=(8,), batch_size=10, epochs=4)


@pytest.fixture
def trained(images: dict[str, Any]) -> tuple[Model, History]:
    held_out = images["X"][:6], images["y"][:6]
    return mnn_gpu.train(images["X"], images["y"], CONFIG, validation=held_out)


@pytest.fixture
def labelled() -> tuple[Model, Any, Any]:
    """An untrained model with unusual labels on 4 x 5 images, and data for it."""
    return odd_model(classes=(3, 70, 512), features=20)


def odd_model(classes: tuple[int, ...], features: int, rows: int = 90) -> tuple[Model, Any, Any]:
    generator = np.random.default_rng(2)
    sizes = (features, 4, len(classes))
    parameters = parameter_count(sizes)
    theta = generator.normal(size=parameters).astype(np.float32)
    X = generator.integers(0, 256, (rows, features)).astype(np.uint8)
    return (
        Model(theta, sizes, np.array(classes)),
        X,
        np.array(classes)[np.arange(rows) % len(classes)],
    )


def words(axis: Any) -> list[str]:
    return [text.get_text() for text in axis.texts]


def ticks(axis: Any) -> list[str]:
    return [text.get_text() for text in axis.get_xticklabels()]


# ---- history ------------------------------------------------------------------------------


def test_a_model_and_its_history_give_the_same_plot(
    trained: tuple[Model, History], tmp_path: Path
) -> None:
    model, history = trained
    mnn_gpu.save_model(tmp_path / "m", model)
    of_file = plots.history(mnn_gpu.load_model(tmp_path / "m"))
    for figure in (plots.history(history), of_file):
        loss, accuracy = figure.axes
        for axis, name in ((loss, "loss"), (accuracy, "accuracy")):
            training, held_out = axis.lines
            for line, prefix in ((training, ""), (held_out, "validation_")):
                values = [getattr(record, prefix + name) for record in history.records]
                np.testing.assert_allclose(line.get_ydata(), values, rtol=1e-5)
                assert list(line.get_xdata()) == [1, 2, 3, 4]
            assert axis.get_xlabel() == "epoch"


def test_full_batches_are_drawn_over_iterations_without_held_out_rows(
    images: dict[str, Any],
) -> None:
    config = TrainingConfig(iterations=5, report_every=1)
    _, history = mnn_gpu.train(images["X"], images["y"], config)
    for axis in plots.history(history).axes:
        [line] = axis.lines
        assert list(line.get_xdata()) == [1, 2, 3, 4, 5]
        assert axis.get_xlabel() == "iteration"


def test_several_records_per_epoch_are_drawn_in_sequence(images: dict[str, Any]) -> None:
    _, history = mnn_gpu.train(images["X"], images["y"], replace(CONFIG, report_every=1))
    assert list(plots.history(history).axes[0].lines[0].get_xdata()) == list(range(1, 13))


def test_early_stopping_marks_the_best_record(images: dict[str, Any]) -> None:
    held_out = images["X"][:6], images["y"][:6]
    config = replace(CONFIG, patience=2, epochs=30)
    model, history = mnn_gpu.train(images["X"], images["y"], config, validation=held_out)
    assert history.best is not None
    assert model.info["history"]["best"] == history.best.iteration
    marker = plots.history(model).axes[0].lines[-1]
    assert set(marker.get_xdata()) == {history.best.epoch}


@pytest.mark.parametrize("count", [1, MAX_RECORDS, MAX_RECORDS + 1, 5000])
def test_the_file_keeps_few_records_including_first_last_and_best(count: int) -> None:
    records = [
        Record(i, i, 1 / i, 0.5, 0.1, 1.0, 0.9 - (i - 1234) ** 2 / 1e9) for i in range(1, count + 1)
    ]
    kept = columns(records)
    assert len({len(column) for column in kept.values()}) == 1
    assert len(kept["loss"]) <= MAX_RECORDS + 1
    best = max(records, key=lambda r: r.validation_accuracy or 0.0).iteration
    assert {1, count, best} <= set(kept["iteration"])
    assert kept["iteration"] == sorted(set(kept["iteration"]))


def test_equal_runs_store_equal_histories(images: dict[str, Any]) -> None:
    first, second = (mnn_gpu.train(images["X"], images["y"], CONFIG)[0].info for _ in range(2))
    assert first == second


def test_accuracies_of_1_can_be_drawn() -> None:
    perfect = {"epoch": [1, 2, 3], "loss": [1.0, 0.1, 0.0], "accuracy": [0.5, 1.0, 1.0]}
    figure = plots.history(perfect)
    figure.draw_without_rendering()
    low, high = figure.axes[1].get_ylim()
    assert low < 0.5 < high < 1.01


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        (None, "has no training history"),
        ([], "not a mapping"),
        ({"epoch": [1], "loss": [1.0], "accuracy": []}, "one length"),
        ({"epoch": [1], "loss": ["1"], "accuracy": [1]}, "loss is not a list of numbers"),
        ({"epoch": [], "loss": [], "accuracy": []}, "before its first record"),
    ],
)
def test_a_model_without_a_history_is_refused(found: Any, cause: str) -> None:
    info = {} if found is None else {"history": found}
    model = replace(mnn_gpu.load_model("record"), info=info)
    with pytest.raises(UsageError, match=cause):
        plots.history(model)


# ---- predictions-------------------------------------------------------------------------


def test_the_matrix_counts_true_by_predicted_class(labelled: tuple[Model, Any, Any]) -> None:
    model, X, y = labelled
    matrix, _ = plots.confusion(model, X, y).axes
    found = np.zeros((3, 3), int)
    for text in matrix.texts:
        column, row = text.get_position()
        found[row, column] = int(text.get_text())
    predicted = mnn_gpu.predict(model, X)
    for i, truth in enumerate(model.classes):
        assert found[i].sum() == np.sum(y == truth)
        for j, answer in enumerate(model.classes):
            assert found[i, j] == np.sum((y == truth) & (predicted == answer))
    assert ticks(matrix) == ["3", "70", "512"]


def test_percentages_of_a_class_sum_to_100(labelled: tuple[Model, Any, Any]) -> None:
    matrix, _ = plots.confusion(*labelled, shares=True).axes
    rows = [0.0, 0.0, 0.0]
    for text in matrix.texts:
        rows[text.get_position()[1]] += float(text.get_text())
    np.testing.assert_allclose(rows, 100, atol=0.5)


def test_the_worst_pairs_are_the_most_common_mistakes(labelled: tuple[Model, Any, Any]) -> None:
    model, X, y = labelled
    _, worst = plots.confusion(model, X, y).axes
    predicted = mnn_gpu.predict(model, X)
    lengths = [bar.get_width() for bar in worst.patches]
    assert lengths == sorted(lengths, reverse=True)
    for bar, label in zip(worst.patches, worst.get_yticklabels(), strict=True):
        truth, answer = map(int, label.get_text().split(" → "))
        assert truth != answer
        assert bar.get_width() == np.sum((y == truth) & (predicted == answer))


def test_of_many_pairs_the_worst_few_are_shown() -> None:
    counts = np.arange(400).reshape(20, 20)
    pairs = worst_pairs(counts)
    assert len(pairs) == WORST
    assert pairs[0] == (19, 18, 398)


def test_the_number_of_further_pairs_is_shown() -> None:
    """12 classes, each predicted as the next one: 12 pairs, of which 10 have a bar."""
    theta = np.zeros(12 * 12 + 12, np.float32)
    theta[: 12 * 12] = np.roll(np.eye(12), 1, axis=0).ravel()
    model = Model(theta, (12, 12), np.arange(12))
    y = np.arange(12)
    for rows, text in ((12, "and 2 more"), (10, "")):
        _, worst = plots.confusion(model, np.eye(12)[:rows] * 255, y[:rows]).axes
        assert len(worst.patches) == 10
        assert worst.texts[-1].get_text() == text
        assert np.diff(worst.texts[-1].get_window_extent().intervaly) < worst.bbox.height / 10
        assert worst.get_ylim()[0] > 9.5


def test_a_dark_figure_has_no_black_tiles(labelled: tuple[Model, Any, Any]) -> None:
    """An image's background is similar to the page's, and its ink differs from it."""
    figures = (
        plots.mistakes(*labelled, image_shape=(4, 5), theme="dark"),
        plots.augmentation(Augmentation(), np.zeros((3, 9)), [0, 1, 2], theme="dark"),
    )
    for figure in figures:
        image = figure.axes[0].images[0]
        low, high = (np.array(image.cmap(share)[:3]) for share in (0.0, 1.0))
        page = np.array(figure.get_facecolor()[:3])
        assert low.min() > 0
        assert np.abs(low - page).max() < 0.1
        assert (high - page).min() > 0.8


def test_both_axes_of_the_calibration_are_named(labelled: tuple[Model, Any, Any]) -> None:
    upper, lower = plots.calibration(*labelled).axes
    assert upper.get_ylabel() == "fraction correct"
    assert (lower.get_xlabel(), lower.get_ylabel()) == (
        "confidence: probability of the prediction",
        "images, log scale",
    )
    assert lower.get_yscale() == "log"


def test_a_hundred_classes_have_colors_and_every_fifth_a_name() -> None:
    model, X, y = odd_model(tuple(range(100, 200)), features=9, rows=300)
    figure = plots.confusion(model, X, y)
    figure.draw_without_rendering()
    matrix, _ = figure.axes
    assert not matrix.texts
    assert matrix.images[0].get_array().shape[:2] == (100, 100)
    assert ticks(matrix) == [str(label) for label in range(100, 200, 5)]


def test_mistakes_show_true_class_prediction_and_probability(
    labelled: tuple[Model, Any, Any],
) -> None:
    model, X, y = labelled
    figure = plots.mistakes(model, X, y, most=12, image_shape=(4, 5))
    probabilities = mnn_gpu.predict_proba(model, X)
    predicted = model.classes[probabilities.argmax(axis=1)]
    wrong = np.flatnonzero(predicted != y)
    order = wrong[np.argsort(-probabilities.max(axis=1)[wrong], kind="stable")][:12]
    assert len(figure.axes) == 12
    for axis, row in zip(figure.axes, order, strict=True):
        assert axis.get_title("left") == f"{y[row]} → {predicted[row]}"
        sure = probabilities[row].max()
        assert axis.get_title("right") == (">99%" if sure > 0.99 else f"{sure:.0%}")
        np.testing.assert_allclose(axis.images[0].get_array().ravel(), X[row] / 255, rtol=1e-6)


def test_a_model_without_mistakes_has_an_empty_plot(labelled: tuple[Model, Any, Any]) -> None:
    model, X, _ = labelled
    truth = mnn_gpu.predict(model, X)
    figure = plots.mistakes(model, X, truth, image_shape=(4, 5))
    assert not figure.axes
    assert "0 of 90 wrong" in figure.texts[0].get_text()
    _, worst = plots.confusion(model, X, truth).axes
    assert words(worst) == ["none"]


def test_the_calibration_error_follows_its_definition(labelled: tuple[Model, Any, Any]) -> None:
    model, X, y = labelled
    probabilities = mnn_gpu.predict_proba(model, X).astype(np.float64)
    confidence = probabilities.max(axis=1)
    right = model.classes[probabilities.argmax(axis=1)] == y
    expected = 0.0
    for b in range(10):
        some = (confidence > b / 10) & (confidence <= (b + 1) / 10)
        expected += abs(right[some].sum() - confidence[some].sum()) / len(y)
    figure = plots.calibration(model, X, y, bins=10)
    assert f"expected calibration error {expected:.2%}" in figure.texts[0].get_text()
    upper, lower = figure.axes
    assert sum(bar.get_height() for bar in lower.patches) == len(y)
    points = upper.containers[0].lines[0]
    for x, height in zip(points.get_xdata(), points.get_ydata(), strict=True):
        some = np.ceil(confidence * 10) == np.ceil(x * 10)
        np.testing.assert_allclose([x, height], [confidence[some].mean(), right[some].mean()])


def test_a_confidence_of_1_is_in_the_last_bin() -> None:
    sure = Predictions(np.array([0, 1], np.int32), np.array([0, 0]), np.array([1.0, 1.0]))
    bins = calibration_bins(sure, 4)
    assert bins.counts.tolist() == [0, 0, 0, 2]
    assert bins.expected_error == 0.5


def test_intervals_contain_the_observed_fraction_and_narrow_with_more_rows() -> None:
    few, many = (wilson(np.array([0.0, 0.3, 1.0]), rows) for rows in (10, 1000))
    assert np.all(few[0] <= [1e-12, 0.3, 1])
    assert np.all(few[1] >= [0, 0.3, 1 - 1e-12])
    assert np.all(few[1] - few[0] > many[1] - many[0])


def test_a_label_unknown_to_the_model_is_reported(labelled: tuple[Model, Any, Any]) -> None:
    model, X, y = labelled
    with pytest.raises(mnn_gpu.DataError, match="label 4 is not one of the model's 3 classes"):
        plots.confusion(model, X, np.where(np.arange(90) == 5, 4, y))


# ---- images ------------------------------------------------------------------------------


def test_weights_are_rows_of_the_first_matrix_by_decreasing_norm(
    labelled: tuple[Model, Any, Any],
) -> None:
    model, _, _ = labelled
    W = model.layers[0][0]
    *tiles, _ = plots.weights(model, most=3, image_shape=(4, 5)).axes
    order = np.argsort(-np.linalg.norm(W, axis=1))[:3]
    for axis, unit in zip(tiles, order, strict=True):
        assert axis.get_title("left") == str(unit)
        np.testing.assert_allclose(axis.images[0].get_array(), W[unit].reshape(4, 5), rtol=1e-6)
        low, high = axis.images[0].get_clim()
        assert low == -high


def test_without_hidden_layers_the_rows_are_the_classes() -> None:
    theta = np.arange(30, dtype=np.float32)
    model = Model(theta, (9, 3), np.array([2, 5, 7]))
    *tiles, _ = plots.weights(model).axes
    assert [axis.get_title("left") for axis in tiles] == ["2", "5", "7"]


def test_weights_that_are_all_0_can_be_drawn() -> None:
    model = Model(np.zeros(30, np.float32), (9, 3), np.arange(3))
    plots.weights(model).draw_without_rendering()


def test_originals_are_above_their_deformed_copies() -> None:
    X = np.random.default_rng(0).random((8, 4, 5))
    y = np.array([7, 9] * 4)
    figure = plots.augmentation(Augmentation(), X, y, copies=2)
    rows = np.array([axis.images[0].get_array() for axis in figure.axes]).reshape(3, 2, 4, 5)
    np.testing.assert_array_equal(rows[0], X[[6, 7]])
    assert not np.isclose(rows[1], rows[0]).all()
    assert not np.isclose(rows[1], rows[2]).all()
    again = plots.augmentation(Augmentation(), X, y, copies=2)
    np.testing.assert_array_equal(again.axes[5].images[0].get_array(), rows[2, 1])


def test_an_augmentation_of_zero_leaves_images_unchanged() -> None:
    X = np.random.default_rng(0).random((2, 16))
    still = Augmentation(rotation=0, shear=0, scaling=0, shift=0, alpha=0)
    figure = plots.augmentation(still, X, [0, 1], copies=1)
    above, below = (figure.axes[i].images[0].get_array() for i in (0, 2))
    np.testing.assert_allclose(above, below, atol=1e-12)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (
            {"augmentation": {"rotation": 3.0, "alpha": 0.0}},
            ("this model's recipe", "rotation ±3°"),
        ),
        ({"augmentation": None}, ("recipe accurate", "rotation ±15°")),
        ({}, ("recipe accurate", "elastic 38")),
    ],
)
def test_images_are_deformed_as_the_model_s_recipe_does(
    recipe: Any, expected: tuple[str, str]
) -> None:
    model = Model(np.zeros(30, np.float32), (9, 3), np.arange(3), {"recipe": recipe})
    figure = plots.augmentation(model, np.zeros((3, 9)), [0, 1, 2])
    for text, words in zip(figure.texts, expected, strict=True):
        assert words in text.get_text()


def test_of_many_classes_ten_are_deformed() -> None:
    figure = plots.augmentation(Augmentation(), np.zeros((50, 9)), np.arange(50), copies=1)
    assert len(figure.axes) == 20


def test_a_table_without_an_image_shape_is_refused() -> None:
    model, X, y = odd_model((0, 1), features=12)
    with pytest.raises(UsageError, match="12 inputs are not a square image"):
        plots.weights(model)
    with pytest.raises(UsageError, match="12 inputs are not a square image"):
        plots.mistakes(model, X, y)
    with pytest.raises(UsageError, match="12 inputs are not a square image"):
        plots.augmentation(model, X, y)
    plots.confusion(model, X, y)
    plots.calibration(model, X, y)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"most": 0}, "most is 0"),
        ({"theme": "blue"}, "theme is 'blue'"),
        ({"image_shape": (5, 5)}, "5 x 5 do not have 20 pixels"),
        ({"image_shape": 20}, "image_shape is 20"),
    ],
)
def test_invalid_options_are_refused(
    options: dict[str, Any], cause: str, labelled: tuple[Model, Any, Any]
) -> None:
    with pytest.raises(UsageError, match=cause):
        plots.weights(labelled[0], **{"image_shape": (4, 5), **options})


def overlaps(first: Any, second: Any) -> bool:
    return bool(first.get_window_extent().overlaps(second.get_window_extent()))


@pytest.mark.parametrize("shape", [(2, 10), (4, 5), (20, 1)])
def test_titles_of_images_do_not_overlap(shape: tuple[int, int]) -> None:
    model, X, y = odd_model((10_005, 10_070, 10_512), features=20)
    figure = plots.mistakes(model, X, y, most=9, image_shape=shape)
    figure.draw_without_rendering()
    for axis in figure.axes:
        assert axis.get_title("left")
        assert not overlaps(axis._left_title, axis._right_title)


def test_a_heading_fits_however_long_the_name_of_the_data_is(
    labelled: tuple[Model, Any, Any],
) -> None:
    figure = plots.confusion(*labelled, source="/".join(["folder"] * 20))
    figure.draw_without_rendering()
    assert figure.texts[0].get_window_extent().x1 <= figure.bbox.x1


def test_a_matrix_of_too_many_classes_is_refused_before_it_is_made() -> None:
    model = Model(np.zeros(6000, np.float32), (1, 3000), np.arange(3000))
    with pytest.raises(UsageError, match="3,000 classes"):
        plots.confusion(model, [[1]], [0])


# ---- files and notebooks -----------------------------------------------------------------


def test_a_notebook_shows_a_png_at_half_its_resolution(labelled: tuple[Model, Any, Any]) -> None:
    content, size = plots.weights(labelled[0], image_shape=(4, 5))._repr_png_()
    assert content.startswith(b"\x89PNG")
    assert size["width"] == 800


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_equal_figures_give_equal_files(tmp_path: Path, ending: str) -> None:
    model = Model(np.arange(30, dtype=np.float32), (9, 3), np.arange(3))
    first, second = tmp_path / f"a.{ending}", tmp_path / f"b.{ending.upper()}"
    for path in (first, second):
        plots.save(path, plots.weights(model))
    assert first.read_bytes() == second.read_bytes()
    if ending == "svg":
        assert ElementTree.parse(first).getroot().tag.endswith("svg")


def test_plots_leave_matplotlib_s_settings_and_pyplot_unchanged(tmp_path: Path) -> None:
    code = (
        "import sys, matplotlib\n"
        "before = matplotlib.rcParams.copy()\n"
        "import numpy as np, mnn_gpu\n"
        "from mnn_gpu import plots\n"
        "model = mnn_gpu.Model(np.arange(30.0), (9, 3), np.arange(3))\n"
        "plots.save(sys.argv[1], plots.weights(model))\n"
        "assert matplotlib.rcParams.copy() == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    # Matplotlib's own deprecations are not ours.
    warnings = ["-W", "error", "-W", "default::DeprecationWarning"]
    subprocess.run([sys.executable, *warnings, "-c", code, tmp_path / "w.png"], check=True)


def test_the_study_draws_with_the_same_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "FOLDER", tmp_path)
    report.learning_curve({"curve": [[1, 2.0, 0.3, 0.7], [19, 0.2, 0.96, 0.99]]})
    report.deformations()
    assert {path.name for path in tmp_path.iterdir()} == {"learning-curve.png", "deformations.png"}
