"""PyTorch's figures for the benches, as JSON: `python torch_prune.py PART [--quick]`.

Parts: global_selection, training_step. Run by the benches when they are given a Python.
"""

import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn.utils import prune

QUICK = "--quick" in sys.argv


def seconds(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def global_selection():
    width = 500 if QUICK else 5000
    layers = [nn.Linear(width, width, bias=False) for _ in range(4)]
    for layer in layers:
        nn.init.normal_(layer.weight, std=0.02)
    count = 4 * width * width * 9 // 10

    def by_hand():
        scores = torch.cat([layer.weight.detach().flatten() for layer in layers]).abs()
        threshold = torch.kthvalue(scores, count).values
        return [layer.weight.detach().abs() > threshold for layer in layers]

    kthvalue = statistics.median(seconds(by_hand)[0] for _ in range(3))
    parameters = [(layer, "weight") for layer in layers]
    library, _ = seconds(
        lambda: prune.global_unstructured(
            parameters, pruning_method=prune.L1Unstructured, amount=0.9
        )
    )
    return {"global_unstructured_s": library, "kthvalue_s": kthvalue}


def mlp(sizes):
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, 10),
    )


def contest(build, optimizer, loss, inputs, rounds):
    """Median seconds of a dense step, and the median of masked over dense by round."""

    def trainee(masked):
        torch.manual_seed(0)
        model = build()
        if masked:
            for layer in model:
                if isinstance(layer, (nn.Linear, nn.Conv2d)):
                    prune.random_unstructured(layer, "weight", amount=0.9)
        optim = optimizer(model.parameters())

        def step():
            optim.zero_grad()
            loss(model(inputs)).backward()
            optim.step()

        return step

    dense, masked = trainee(False), trainee(True)
    times = [(seconds(dense)[0], seconds(masked)[0]) for _ in range(rounds + 2)][2:]
    return (
        statistics.median(a for a, _ in times),
        statistics.median(b / a for a, b in times),
    )


def training_step():
    width = 128 if QUICK else 2048
    rounds = (lambda full: 3) if QUICK else (lambda full: full)
    sgd = lambda parameters: torch.optim.SGD(parameters, lr=1e-4, momentum=0.9)
    adam = lambda parameters: torch.optim.Adam(parameters, lr=1e-4)
    square = lambda output: output.square().mean()
    classes = lambda output: nn.functional.cross_entropy(
        output, torch.arange(len(output)) % 10
    )
    contests = {
        "mlp": (lambda: mlp([width] * 5), sgd, square, torch.rand(32, width), rounds(60)),
        "lenet": (
            lambda: mlp([784, 300, 100, 10]), adam, classes, torch.rand(60, 784), rounds(600),
        ),
        "cnn": (cnn, adam, classes, torch.rand(64, 1, 28, 28), rounds(150)),
    }
    figures = {}
    for name, arguments in contests.items():
        dense, ratio = contest(*arguments)
        figures[f"{name}_dense_ms"] = 1e3 * dense
        figures[f"{name}_prune_over_dense"] = ratio
    return figures


if __name__ == "__main__":
    parts = {"global_selection": global_selection, "training_step": training_step}
    print(json.dumps(parts[sys.argv[1]]()))
