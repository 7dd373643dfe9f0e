"""Kernels that are generated for arrays of any form, and compiled together."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnn_gpu import CompilationWarning, select_backend
from mnn_gpu.compiler.cuda_graphs import modules
from mnn_gpu.compiler.cuda_graphs.cuda_graphs import CudaGraphs
from mnn_gpu.compiler.cuda_graphs.elementwise_kernels import (
    elementwise_launch,
    merged_axes,
    reduction_launch,
)
from mnn_gpu.compiler.cuda_graphs.expressions import Expression, Input, Number, Operation
from mnn_gpu.compiler.cuda_graphs.kernels import KernelSpec, Reduction
from tests.support.replay_device import results

FLOATS = ("float32", "float32")


def operation(name: str, *operands: Any) -> Operation:
    return Operation(name, operands, ("float32",) * len(operands), "float32")


ADDED = Expression(FLOATS, (operation("add", Input(0), Input(1)),), (0,))


def any_form(shape: tuple[int, ...], form: str) -> Any:
    """Return random numbers of this shape in a layout."""
    rng = np.random.default_rng(0)
    if form == "row-major":
        return rng.random(shape, np.float32)
    if form == "transposed":
        return rng.random(shape[::-1], np.float32).T
    if form == "sliced":
        return rng.random(tuple(2 * n for n in shape), np.float32)[tuple(slice(n) for n in shape)]
    return np.broadcast_to(rng.random((*shape[:-1], 1), np.float32), shape)


FORMS = ("row-major", "transposed", "sliced", "broadcast")


@given(st.lists(st.integers(1, 4), max_size=4), st.sampled_from(FORMS))
def test_merged_axes_reach_the_same_entries_in_the_same_order(shape: list[int], form: str) -> None:
    array = any_form(tuple(shape), form) if shape else np.ones((), np.float32)
    axes = merged_axes(shape, [array])
    again = np.lib.stride_tricks.as_strided(
        array, [axis.size for axis in axes], [axis.steps[0] * 4 for axis in axes]
    )
    np.testing.assert_array_equal(again.ravel(), array.ravel())
    assert len(axes) <= 1 or form != "row-major"


def test_one_source_serves_arrays_of_any_size() -> None:
    def sources(rows: int, columns: int) -> tuple[str, str]:
        x, column = any_form((rows, columns), "row-major"), any_form((rows, columns), "broadcast")
        y = np.empty((rows, columns), np.float32)
        total = Reduction(ADDED, "add", (1,))
        return (
            elementwise_launch(ADDED, [x, column], [y]).source,
            reduction_launch(total, [x, column], [y[:, 0]]).source,
        )

    assert sources(10, 128) == sources(64, 41)
    assert "long long" not in sources(10, 128)[0]


def test_arrays_too_large_for_32_bits_have_a_source_of_their_own() -> None:
    x = np.broadcast_to(np.float32(1), (1 << 20, 1 << 12))
    assert "const long long i =" in elementwise_launch(ADDED, [x, x], [x]).source


# ---- on a GPU --------------------------------------------------------------------------


@pytest.fixture
def graphs() -> Any:
    gpu: Any = select_backend("cuda")
    with gpu.active():
        yield CudaGraphs(gpu.cupy)


def launched(graphs: CudaGraphs, spec: KernelSpec, inputs: list[Any], output: Any) -> Any:
    """Return the output of a kernel; the inputs keep their layout."""
    there = []
    for array in inputs:
        whole = array if array.base is None else array.base
        while whole.base is not None:
            whole = whole.base
        start = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        memory = graphs.copy(whole)
        there.append(graphs.view(memory, start, array.shape, array.dtype, array.strides))
    place = graphs.copy(output)
    launch = graphs.launcher(spec)(there, [place])
    graphs.compile()
    launch()
    return graphs.cupy.asnumpy(place)


@pytest.mark.gpu
@pytest.mark.parametrize("one", FORMS)
@pytest.mark.parametrize("other", FORMS)
@pytest.mark.parametrize("shape", [(3,), (5, 129), (2, 3, 70)])
def test_elementwise_kernels_accept_any_layout(
    graphs: Any, shape: tuple[int, ...], one: str, other: str
) -> None:
    inputs = [any_form(shape, one), any_form(shape, other)]
    found = launched(graphs, ADDED, inputs, np.zeros(shape, np.float32))
    np.testing.assert_array_equal(found, inputs[0] + inputs[1])


@pytest.mark.gpu
@pytest.mark.parametrize("function", ["add", "maximum"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((1,), (0,)),
        ((3000,), (0,)),
        ((7, 129), (0,)),
        ((7, 129), (1,)),
        ((1025, 3), (0,)),
        ((5, 3, 4), (1,)),
        ((5, 3, 4), (0, 2)),
        ((5, 3, 4), (0, 1, 2)),
    ],
)
def test_reductions_of_any_axes_and_layout(
    graphs: Any, function: str, form: str, shape: tuple[int, ...], axes: tuple[int, ...]
) -> None:
    squares = Expression(FLOATS[:1], (operation("multiply", Input(0), Number("-2.0")),), (0,))
    spec = Reduction(squares, function, axes)
    (expected,) = results(spec, [any_form(shape, form)])
    found = launched(graphs, spec, [any_form(shape, form)], np.zeros_like(expected))
    np.testing.assert_allclose(found, expected, rtol=2e-6)


@pytest.mark.gpu
@pytest.mark.parametrize("shape", [(4, 70), (70, 4)])
def test_a_maximum_of_nan_is_nan(graphs: Any, shape: tuple[int, int]) -> None:
    x = any_form(shape, "row-major").copy()
    x[2, 3] = np.nan
    same = Expression(FLOATS[:1], (operation("cast", Input(0)),), (0,))
    for axis in range(2):
        expected = np.asarray(x.max(axis=axis))
        found = launched(graphs, Reduction(same, "maximum", (axis,)), [x], np.zeros_like(expected))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.gpu
def test_kernels_are_compiled_together_and_a_message_says_so_once(
    graphs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modules, "SILENT_SECONDS", 0)
    compiled, source = [], modules.module_source

    def counted(sources: list[str]) -> str:
        compiled.append(len(sources))
        return source(sources)

    def launch(factor: str) -> None:
        product = operation("multiply", Input(0), Number(factor))
        graphs.launcher(Expression(FLOATS[:1], (product,), (0,)))([x], [x])

    monkeypatch.setattr(modules, "module_source", counted)
    x = graphs.copy(np.ones(3, np.float32))
    launch("0.51")
    launch("0.52")
    launch("0.51")
    with pytest.warns(CompilationWarning, match="compiling 2 kernels for this GPU, once"):
        graphs.compile()
    launch("0.51")
    launch("0.53")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graphs.compile()
        graphs.compile()
    assert compiled == [2, 1]
