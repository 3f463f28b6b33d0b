"""The peer in PyTorch: the same runs as `flax_digits.py`, as users of PyTorch write them by hand.

Eager, or through `torch.compile` with --compile, on all cores. The data are tensors in memory that are
indexed directly, which is several times faster than a `DataLoader`. Weights are drawn with variance
1 / fan-in, as Flax and funcdl do, so that low rates come equally far.

usage: python torch_digits.py DATA.npz MODEL --steps 500 --rates 0.001 0.01 --seeds 0 1 [--compile]
Prints a line of JSON per run: rate, seed, test_accuracy, and seconds from its init to its end.
"""

# pyright: reportMissingImports=false
# (PyTorch lives in an environment of its own.)

import argparse
import json
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Last(nn.Module):
    """A recurrent layer and a readout of its last state."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer, self.readout = layer, nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.layer(x[:, 0])
        return self.readout(states[:, -1])


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.positions = nn.Linear(8, 64), nn.Parameter(0.02 * torch.randn(1, 8, 64))
        layer = nn.TransformerEncoderLayer(
            *(64, 4, 256), dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, 2, nn.LayerNorm(64), enable_nested_tensor=False)
        self.readout = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.readout(self.layers(self.embed(x[:, 0]) + self.positions).mean(dim=1))


MODELS = {
    "mlp": lambda: nn.Sequential(
        *(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()),
        nn.Linear(64, 10),
    ),
    "cnn": lambda: nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding="same"), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, padding="same"), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(128, 10)),
    ),
    "lstm": lambda: Last(nn.LSTM(8, 64, batch_first=True)),
    "gru": lambda: Last(nn.GRU(8, 64, batch_first=True)),
    "transformer": Transformer,
}


def make_model(name: str) -> nn.Module:
    model = MODELS[name]()
    for parameter in model.parameters():
        if parameter.dim() > 1 and parameter is not getattr(model, "positions", None):
            nn.init.kaiming_uniform_(parameter, nonlinearity="linear")
    return model


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--eval-every", type=int, default=100)
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    data = {name: torch.from_numpy(array) for name, array in np.load(args.data).items()}
    data |= {k: v.permute(0, 3, 1, 2).contiguous() for k, v in data.items() if k.endswith("_x")}
    data |= {k: v.long() for k, v in data.items() if k.endswith("_y")}
    x, y = data["train_x"], data["train_y"]

    def loss_of(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(x), y)

    if args.compile:
        loss_of = torch.compile(loss_of)

    @torch.no_grad()
    def evaluate(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
        logits = model(x)
        loss, right = F.cross_entropy(logits, y), (logits.argmax(-1) == y).float().mean()
        return loss.item(), right.item()

    def train(rate: float, seed: int) -> float:
        torch.manual_seed(seed)
        model = make_model(args.model)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
        batches: list[torch.Tensor] = []
        history: list[tuple[float, float]] = []
        for done in range(1, args.steps + 1):
            if not batches:
                batches = list(torch.randperm(len(y)).split(args.batch)[: len(y) // args.batch])
            chosen = batches.pop()
            optimizer.zero_grad()
            loss_of(model, x[chosen], y[chosen]).backward()
            optimizer.step()
            if done % args.eval_every == 0:
                history.append(evaluate(model, data["validation_x"], data["validation_y"]))
        return evaluate(model, data["test_x"], data["test_y"])[1]

    for rate in args.rates:
        for seed in args.seeds:
            began = time.perf_counter()
            accuracy = train(rate, seed)
            seconds = time.perf_counter() - began
            line = {"rate": rate, "seed": seed, "test_accuracy": accuracy, "seconds": seconds}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
