"""Errors give the cure as command-line options or as Python arguments, depending on the user."""

from __future__ import annotations

import pytest

from mnn_gpu import DeviceError, UsageError
from mnn_gpu.errors import in_python


@pytest.mark.parametrize(
    ("cure", "expected"),
    [
        ("elsewhere use --device cpu.", 'elsewhere use device="cpu".'),
        (
            "Lower the learning rate: try --lr 0.01.",
            "Lower the learning rate: try learning_rate=0.01.",
        ),
        ("try --lr 1e-05.", "try learning_rate=1e-05."),
        ("Lower --batch-size or --shard-rows.", "Lower batch_size or shard_rows."),
        ("Give --shards 4 or more.", "Give shards=4 or more."),
        ("Use --holdout from 0 to 9.", "Use holdout from 0 to 9."),
        ("with --image-shape HEIGHT WIDTH", "with image_shape=HEIGHT WIDTH"),
        ("Train one with: train --out m", "Train one with: train --out m"),
        ("`mnn-gpu convert --dtype uint8` says", "`mnn-gpu convert --dtype uint8` says"),
        ("start the container with --gpus all", "start the container with --gpus all"),
        ("Resume from it with --resume, or not.", "Resume from it with resume=True, or not."),
        ("in memory (without --stream)", "in memory (without open_blocks)"),
        ("Give rows of one length.", "Give rows of one length."),
    ],
)
def test_a_cure_names_arguments_in_python(cure: str, expected: str) -> None:
    assert in_python(cure) == expected


def test_the_command_line_and_python_each_show_their_own_cure() -> None:
    error = DeviceError("No GPU.", "Use --device cpu.")
    assert error.cure == "Use --device cpu."
    assert str(error) == 'No GPU.\nUse device="cpu".'
    assert str(UsageError("a", "b")) == "a\nb"
