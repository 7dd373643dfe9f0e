"""The gradient check agrees with correct formulas and reports wrong ones."""

from __future__ import annotations

import numpy as np
import pytest

from mnn_gpu import UsageError, check_gradients
from mnn_gpu.nn import gradient_check, network
from mnn_gpu.nn.parameters import Layer


@pytest.mark.parametrize("sizes", [(784, 10, 10, 10), (6, 3), (5, 4, 3, 4, 2)])
def test_every_layer_agrees_to_seven_digits(sizes: tuple[int, ...]) -> None:
    checks = check_gradients(sizes, entries=50)
    names = [f"{d}[{l}]" for l in range(1, len(sizes)) for d in ("dW", "db")]
    assert [check.name for check in checks] == names
    for check in checks:
        assert check.verdict == "agrees"
        assert check.digits > 7
        assert check.entries + check.left_out <= 50


def test_a_wrong_formula_is_reported_for_its_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    right = network.backward

    def sums_over_units_too(*args: object) -> list[Layer]:
        """The bug of the notebook."""
        return [(dW, np.full_like(db, db.sum())) for dW, db in right(*args)]  # type: ignore[arg-type]

    monkeypatch.setattr(network, "backward", sums_over_units_too)
    wrong = [c.name for c in check_gradients((6, 5, 4, 3)) if c.verdict == "differs"]
    assert wrong == ["db[1]", "db[2]", "db[3]"]


def test_steps_across_a_kink_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_the_kink(sizes: object, rng: object) -> list[Layer]:
        return [(np.zeros((2, 3)), np.zeros((2, 1))), (np.ones((2, 2)), np.zeros((2, 1)))]

    monkeypatch.setattr(gradient_check, "init_parameters", at_the_kink)
    checks = {check.name: check for check in check_gradients((3, 2, 2))}
    assert checks["dW[1]"].left_out == 6
    assert checks["dW[1]"].verdict == "nothing to compare"
    assert checks["dW[2]"].left_out == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"samples": 0},
        {"entries": 0},
        {"layer_sizes": (3, 0, 2)},
        {"seed": -1},
        {"samples": 10**11},
        {"layer_sizes": (10**21, 2)},
    ],
)
def test_invalid_sizes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        check_gradients(**wrong)  # type: ignore[arg-type]


def test_a_zero_gradient_is_no_evidence() -> None:
    checks = check_gradients((5, 1, 1, 1, 1, 10), samples=3, seed=3)
    assert {check.verdict for check in checks if check.is_zero} <= {"nothing to compare"}


def test_rounding_errors_count_as_agreement() -> None:
    checks = check_gradients((10, 3, 3), samples=20_000, entries=3)
    assert "differs" not in {check.verdict for check in checks}
