"""PyTorch as its documentation advises: nn.Sequential, cross_entropy, torch.optim."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scripts.benchmarks.device import DEVICE, torch_seconds
from scripts.benchmarks.jobs import Problem


class TorchEager:
    """Eager PyTorch."""

    def __init__(self, problem: Problem) -> None:
        import torch

        self.torch, self.job = torch, problem.job
        self.device = torch.device(DEVICE)
        modules: list[Any] = []
        for inputs, outputs in problem.job.layers:
            modules += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
        self.network = torch.nn.Sequential(*modules[:-1]).to(self.device)
        self.X = torch.from_numpy(problem.X).to(self.device).float() / 255
        self.y = torch.from_numpy(problem.y).to(self.device)
        kind = torch.optim.Adam if self.job.optimizer == "adam" else torch.optim.SGD
        self.optimizer = kind(self.network.parameters(), lr=self.first_rate())
        self.follow = self._follow

    def first_rate(self) -> Any:
        return self.job.learning_rate

    def start(self, theta: Any) -> None:
        torch = self.torch
        with torch.no_grad():
            # Where they lie: a captured graph looks nowhere else.
            parts = list(self.network.parameters())
            flat = torch.from_numpy(theta.copy()).to(self.device)
            for part, values in zip(parts, flat.split([p.numel() for p in parts]), strict=True):
                part.copy_(values.view_as(part))
            for memory in self.optimizer.state.values():
                for value in memory.values():
                    value.zero_()

    def prepare(self, orders: Any, rate: float) -> None:
        self.orders: Any = [None] * self.job.steps
        if orders is not None:
            self.orders = self.torch.from_numpy(orders).to(self.device)
        for group in self.optimizer.param_groups:
            self.set_rate(group, rate)

    def set_rate(self, group: dict[str, Any], rate: float) -> None:
        group["lr"] = rate

    def _follow(self, X: Any, y: Any) -> None:
        self.optimizer.zero_grad()
        self.torch.nn.functional.cross_entropy(self.network(X), y).backward()
        self.optimizer.step()

    def advance(self) -> None:
        for rows in self.orders:
            if rows is None:
                self.follow(self.X, self.y)
            else:
                self.follow(self.X[rows], self.y[rows])
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()

    def by_its_clock(self, work: Callable[[], object]) -> float | None:
        return torch_seconds(self.torch, work) if self.device.type == "cuda" else None

    def theta(self) -> Any:
        parts = [p.detach().cpu().numpy().reshape(-1) for p in self.network.parameters()]
        return np.concatenate(parts)

    def predictor(self, images: Any) -> Callable[[], Any]:
        X = self.torch.from_numpy(images).to(self.device).float() / 255
        network = self.network.eval()

        def labels() -> Any:
            with self.torch.inference_mode():
                return network(X).argmax(1).cpu().numpy()

        return labels


class TorchCompiled(TorchEager):
    """The forward and backward pass through `torch.compile`, and the optimizer's step too."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        torch = self.torch

        def loss(X: Any, y: Any) -> Any:
            return torch.nn.functional.cross_entropy(self.network(X), y)

        compiled_loss = torch.compile(loss)
        compiled_step = torch.compile(lambda: self.optimizer.step())

        def follow(X: Any, y: Any) -> None:
            self.optimizer.zero_grad()
            compiled_loss(X, y).backward()
            compiled_step()

        self.follow = follow

    def first_rate(self) -> Any:
        # A number would be compiled in, and every other one compiled anew.
        return self.torch.tensor(self.job.learning_rate, device=self.device)

    def set_rate(self, group: dict[str, Any], rate: float) -> None:
        group["lr"].fill_(rate)


class TorchGraphs(TorchEager):
    """A whole step in a CUDA graph, as "CUDA semantics" in its documentation advises."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        if self.device.type != "cuda":
            raise NotImplementedError("CUDA graphs need CUDA")
        torch, job = self.torch, self.job
        for group in self.optimizer.param_groups:
            group["capturable"] = True
        self.rows = torch.arange(job.batch_size or job.rows, device=self.device)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._follow(self.X[self.rows], self.y[self.rows])
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            self._follow(self.X[self.rows], self.y[self.rows])

    def first_rate(self) -> Any:
        # SGD cannot be captured with a rate that is a tensor; a number is captured as it is.
        if self.job.optimizer == "sgd":
            return self.job.learning_rate
        return self.torch.tensor(self.job.learning_rate, device=self.device)

    def set_rate(self, group: dict[str, Any], rate: float) -> None:
        if self.job.optimizer == "adam":
            group["lr"].fill_(rate)
        elif rate != group["lr"]:
            raise NotImplementedError("a captured SGD step keeps its learning rate")

    def advance(self) -> None:
        for rows in self.orders:
            if rows is not None:
                self.rows.copy_(rows)
            self.graph.replay()
        self.torch.cuda.synchronize()
