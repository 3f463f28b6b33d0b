"""Trains a family of `torch_models.py` as users of PyTorch write it by hand: eager, on all cores.

The data are tensors in memory that are indexed directly, AdamW is the fused one, weights are drawn with
variance 1 / fan-in, and vectors of ids with 1 / width, as Flax and funcdl do. Of two runs in this process
the second is timed; nothing is evaluated. OMP_NUM_THREADS takes fewer threads: two wait for each other by
turning, so that on a busy machine they say nothing.

usage: python torch_families.py DATA.npz FAMILY --steps 500 --batch 64
Prints a line of JSON, as `flax_families.py` does.
"""

# pyright: reportMissingImports=false
# (PyTorch lives in an environment of its own.)

import argparse
import json
import math
import os
import time

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_models import (
    TCN,
    VAE,
    Autoencoder,
    Bag,
    Batch,
    DeepSVDD,
    FTTransformer,
    NBeats,
    OfInputs,
    PatchTransformer,
    Recurrent,
    TextCNN,
    TextRecurrent,
    Transformer,
    ViT,
    cnn,
    perceptron,
    residual_mlp,
    resnet,
)
from torch_recommenders import NCF, MatrixFactorisation, SASRec, TwoTower

FAMILIES = {
    "images/cnn": lambda _: cnn((16, 32, 64)),
    "images/resnet": lambda _: resnet(),
    "images/vit": lambda _: ViT(),
    "images/gru": lambda _: Recurrent(28, 96, 10),
    "reviews/bag_of_embeddings": lambda n: Bag(n["tokens"]),
    "reviews/text_cnn": lambda n: TextCNN(n["tokens"]),
    "reviews/gru": lambda n: TextRecurrent(n["tokens"], nn.GRU),
    "reviews/lstm": lambda n: TextRecurrent(n["tokens"], nn.LSTM),
    "reviews/transformer": lambda n: Transformer(n["tokens"]),
    "shuttle/autoencoder": lambda _: Autoencoder(),
    "shuttle/vae": lambda _: VAE(),
    "shuttle/deep_svdd": lambda _: DeepSVDD(),
    "stocks/mlp": lambda n: OfInputs(nn.Flatten(), perceptron(32 * n["features"], 64, 64, 3)),
    "stocks/nbeats": lambda n: NBeats(32 * n["features"]),
    "stocks/gru": lambda n: Recurrent(n["features"], 32, 3),
    "stocks/tcn": lambda n: TCN(n["features"]),
    "stocks/patch_transformer": lambda n: PatchTransformer(n["features"]),
    "phishing/mlp": lambda _: OfInputs(perceptron(9, 64, 64, 2)),
    "phishing/residual_mlp": lambda _: residual_mlp(),
    "phishing/ft_transformer": lambda _: FTTransformer(),
    "movielens/matrix_factorisation": lambda n: MatrixFactorisation(n["items"], n["users"]),
    "movielens/ncf": lambda n: NCF(n["items"], n["users"]),
    "movielens/two_tower": lambda n: TwoTower(n["items"], n["users"]),
    "movielens/sasrec": lambda n: SASRec(n["items"], n["users"]),
}


def draw_weights(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag):
            nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)
            if module.padding_idx is not None:
                module.weight.data[module.padding_idx] = 0
        elif isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="linear")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def loss_of(table: str, items: int, outputs: Tensor, batch: Batch) -> Tensor:
    if table == "shuttle":
        return outputs.mean()
    if table == "stocks":
        error, tau = batch["y"][:, None] - outputs, torch.tensor([[0.1, 0.5, 0.9]])
        return torch.maximum(tau * error, (tau - 1) * error).mean()
    if table != "movielens":
        return F.cross_entropy(outputs, batch["y"])
    own, others, drawn = outputs
    others = others + math.log((items - 1) / len(drawn))
    others = others.masked_fill(drawn[None] == batch["y"][:, None], -math.inf)
    return (torch.logsumexp(torch.cat([own[:, None], others], 1), 1) - own).mean()


def tensors(arrays: dict[str, np.ndarray]) -> Batch:
    data = {name: torch.from_numpy(array) for name, array in arrays.items()}
    data = {k: x if x.is_floating_point() else x.long() for k, x in data.items()}
    if "x" in data and data["x"].ndim == 4:
        data["x"] = data["x"].permute(0, 3, 1, 2).contiguous()
    return data


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=64)
    args = parser.parse_args()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    arrays = dict(np.load(args.data))
    counts = {name: int(arrays.pop(name)) for name in ("tokens", "items", "users")}
    data = tensors(arrays)
    n = len(next(iter(data.values())))
    if "x" in data:
        counts["features"] = data["x"].shape[-1]

    def train(seed: int) -> tuple[int, Tensor]:
        torch.manual_seed(seed)
        model = FAMILIES[args.family](counts)
        draw_weights(model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
        batches, losses = [], torch.zeros(args.steps)
        for done in range(args.steps):
            if not batches:
                batches = list(torch.randperm(n).split(args.batch)[: n // args.batch])
            chosen = batches.pop()
            batch = {name: array[chosen] for name, array in data.items()}
            optimizer.zero_grad()
            loss = loss_of(args.family.split("/")[0], counts["items"], model(batch), batch)
            loss.backward()
            optimizer.step()
            losses[done] = loss.detach()
        return sum(x.numel() for x in model.parameters()), losses

    _, first = train(0)
    began, used = time.perf_counter(), time.process_time()
    parameters, second = train(1)
    seconds, used = time.perf_counter() - began, time.process_time() - used
    line = {
        "steps_per_second": args.steps / seconds,
        "cpu": used / args.steps,
        "parameters": parameters,
        "loss": float(torch.cat([first, second]).mean()),
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
