"""The reference network in PyTorch, and the golden vectors that the tests hold every engine to.

    python bench/golden.py write [test/golden]     the files of test/golden, anew (compare with git diff: they depend on the torch version)
    python bench/golden.py load FILE               load_state_dict(strict=True) of a checkpoint or of a bundle's model.safetensors
    python bench/golden.py init                    bounds, means and variances of PyTorch's own initial weights at the reference size, as JSON

Needs torch, numpy and safetensors. Everything is computed twice from the same float32 weights and batches: in float32, as the reference code
did, and in float64, which says how much of a difference is rounding.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

STEPS = 20
LEARNING_RATE = 3e-4


class EncoderLayer(nn.Module):
    """nn.TransformerEncoderLayer (post-norm, ReLU, no dropout) under the reference's names."""

    def __init__(self, size, heads, feed_forward):
        super().__init__()
        self.attn = nn.MultiheadAttention(size, heads)
        self.linear_1 = nn.Linear(size, feed_forward)
        self.linear_2 = nn.Linear(feed_forward, size)
        self.layernorm_1 = nn.LayerNorm(size)
        self.layernorm_2 = nn.LayerNorm(size)

    def forward(self, x):
        """x [tokens, batch, size]"""
        x = self.layernorm_1(x + self.attn(x, x, x, need_weights=False)[0])
        return self.layernorm_2(x + self.linear_2(torch.relu(self.linear_1(x))))


class Autoencoder(nn.Module):
    """Hidden layers are a subclass's; both heads are common."""

    def __init__(self, inputs, hidden):
        super().__init__()
        self.mask_predictor = nn.Linear(hidden, inputs)
        self.reconstructor = nn.Linear(hidden + inputs, inputs)

    def forward(self, x):
        hidden = self.encode(x)[-1]
        mask_logits = self.mask_predictor(hidden)
        return self.reconstructor(torch.cat([hidden, mask_logits], 1)), mask_logits

    def features(self, x):
        return torch.cat(self.encode(x), 1)


class Transformer(Autoencoder):
    def __init__(self, inputs, tokens, tokenSize, heads, feedForward, layers):
        super().__init__(inputs, tokens * tokenSize)
        self.tokens, self.token_size, self.layers = tokens, tokenSize, layers
        self.excite = nn.Linear(inputs, tokens * tokenSize)
        for i in range(1, layers + 1):
            setattr(self, f"encoder_{i}", EncoderLayer(tokenSize, heads, feedForward))

    def encode(self, x):
        h = torch.relu(self.excite(x)).reshape(-1, self.tokens, self.token_size).permute(1, 0, 2)
        layers = []
        for i in range(1, self.layers + 1):
            h = getattr(self, f"encoder_{i}")(h)
            layers.append(h.permute(1, 0, 2).reshape(-1, self.tokens * self.token_size))
        return layers


class Mlp(Autoencoder):
    def __init__(self, inputs, units, layers):
        super().__init__(inputs, units)
        self.layers = layers
        for i in range(1, layers + 1):
            setattr(self, f"linear_{i}", nn.Linear(inputs if i == 1 else units, units))

    def encode(self, x):
        layers = []
        for i in range(1, self.layers + 1):
            x = torch.relu(getattr(self, f"linear_{i}")(x))
            layers.append(x)
        return layers


def build(network):
    """A module from noisefold's description of a network (the `network` of bundle.json and of a checkpoint's metadata)."""
    sizes = dict(network["model"])
    kind = {"transformer": Transformer, "mlp": Mlp}[sizes.pop("kind")]
    return kind(network["binary"] + network["numerical"], **sizes)


def loss_of(network, outputs, clean, mask):
    """The reference's loss; a part without columns is left out."""
    reconstruction, mask_logits = outputs
    binary, sources = network["binary"], network["categoricalSources"] + network["numericalSources"]
    emphasis = network["loss"]["emphasis"]
    weights = mask * emphasis + (1 - mask) * (1 - emphasis)
    total = network["loss"]["maskWeight"] * bce(mask_logits, mask)
    if binary > 0:
        errors = bce(reconstruction[:, :binary], clean[:, :binary], reduction="none")
        total = total + network["categoricalSources"] / sources * (weights[:, :binary] * errors).mean()
    if network["numerical"] > 0:
        errors = (reconstruction[:, binary:] - clean[:, binary:]) ** 2
        total = total + network["numericalSources"] / sources * (weights[:, binary:] * errors).mean()
    return total


LOSS = {"emphasis": 0.75, "maskWeight": 2}
COLUMNS = {"binary": 7, "numerical": 4, "categoricalSources": 3, "numericalSources": 4, "loss": LOSS}
TRANSFORMER = {"kind": "transformer", "tokens": 4, "tokenSize": 8, "heads": 2, "feedForward": 16, "layers": 3}
NETWORKS = {
    "transformer": {**COLUMNS, "model": TRANSFORMER},
    "mlp": {**COLUMNS, "model": {"kind": "mlp", "units": 24, "layers": 3}},
}
BATCH = 12


def batches(network, generator):
    """STEPS batches of BATCH rows: one-hot columns of 2, 2 and 3 levels, normal numbers; swap noise by one permutation of the rows."""
    shape = (STEPS, BATCH, network["binary"] + network["numerical"])
    clean = torch.randn(shape, generator=generator)
    start = 0
    for levels in (2, 2, 3):
        level = torch.randint(levels, shape[:2], generator=generator)
        clean[:, :, start : start + levels] = nn.functional.one_hot(level, levels).float()
        start += levels
    order = torch.stack([torch.randperm(BATCH, generator=generator) for _ in range(STEPS)])
    other = torch.gather(clean, 1, order[:, :, None].expand(shape))
    noisy = torch.where(torch.rand(shape, generator=generator) < 0.5, other, clean)
    return clean, noisy, (noisy != clean).float()


def numbers(network, state, data, dtype):
    """Features, losses, the first step's gradients, and the weights after STEPS steps of Adam."""
    model = build(network).to(dtype)
    model.load_state_dict({name: tensor.to(dtype) for name, tensor in state.items()}, strict=True)
    clean, noisy, mask = (tensor.to(dtype) for tensor in data)
    result = {"features": model.features(clean[0]).detach().clone()}
    adam = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    losses = []
    for step in range(STEPS):
        adam.zero_grad()
        loss = loss_of(network, model(noisy[step]), clean[step], mask[step])
        loss.backward()
        if step == 0:
            result |= {f"gradient.{name}": p.grad.clone() for name, p in model.named_parameters()}
        adam.step()
        losses.append(loss.item())
    result["losses"] = torch.tensor(losses, dtype=dtype)
    return result | {f"trained.{name}": p.detach().clone() for name, p in model.named_parameters()}


def check_layer():
    """EncoderLayer is nn.TransformerEncoderLayer: the same outputs from the same weights."""
    ours = EncoderLayer(8, 2, 16)
    theirs = nn.TransformerEncoderLayer(8, 2, 16, dropout=0, activation="relu", norm_first=False)
    names = {"attn": "self_attn", "linear_1": "linear1", "linear_2": "linear2", "layernorm_1": "norm1", "layernorm_2": "norm2"}
    theirs.load_state_dict(
        {f"{names[name.split('.')[0]]}.{name.split('.', 1)[1]}": tensor for name, tensor in ours.state_dict().items()}
    )
    x = torch.randn(4, 5, 8)
    difference = (ours(x) - theirs(x)).abs().max().item()
    assert difference < 1e-6, difference


def write(folder):
    torch.manual_seed(0)
    check_layer()
    for name, network in NETWORKS.items():
        torch.manual_seed(20210228)
        model = build(network)
        # Freshly made, biases and scales are constant, and a mistake with them could hide.
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
        state = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        # What a user's own code writes, and `noisefold import` reads.
        save_file(state, folder / f"{name}.safetensors")
        data = batches(network, torch.Generator().manual_seed(1))
        golden = dict(zip(("clean", "noisy", "mask"), data))
        for dtype, prefix in ((torch.float32, "float32"), (torch.float64, "float64")):
            golden |= {f"{prefix}.{key}": tensor.contiguous() for key, tensor in numbers(network, state, data, dtype).items()}
        about = {"network": json.dumps(network), "learningRate": repr(LEARNING_RATE), "torch": torch.__version__}
        save_file(golden, folder / f"{name}.golden.safetensors", metadata=about)
    (folder / "initialisation.json").write_text(json.dumps(initialisation(), indent=1) + "\n")


def initialisation():
    """What PyTorch draws at the reference size, a line a tensor."""
    torch.manual_seed(0)
    tensors = {}
    for name, sizes in (("transformer", (8, 128, 8, 512, 3)), ("mlp", (1536, 3))):
        kind = {"transformer": Transformer, "mlp": Mlp}[name]
        tensors[name] = {
            key: {
                "elements": t.numel(),
                "min": t.min().item(),
                "max": t.max().item(),
                "mean": t.double().mean().item(),
                "variance": t.double().var(unbiased=False).item(),
            }
            for key, t in kind(70, *sizes).state_dict().items()
        }
    return {"torch": torch.__version__, **tensors}


def load(path):
    """Takes a checkpoint or a bundle's weights as they are; a checkpoint's tensors for going on with training are passed over."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
    if "noisefold" in metadata:
        network = json.loads(metadata["noisefold"])["network"]
    else:
        network = json.loads((Path(path).parent / "bundle.json").read_text())["network"]
    state = {name: tensor for name, tensor in load_file(path).items() if not name.startswith(("adam.", "recent."))}
    model = build(network)
    print(model.load_state_dict(state, strict=True))
    rows = torch.zeros(2, network["binary"] + network["numerical"])
    print(f"{len(state)} tensors, {sum(t.numel() for t in state.values())} numbers, features {tuple(model.features(rows).shape)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("write").add_argument("folder", nargs="?", default="test/golden", type=Path)
    commands.add_parser("load").add_argument("file")
    commands.add_parser("init")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.command == "write":
        args.folder.mkdir(parents=True, exist_ok=True)
        write(args.folder)
    elif args.command == "load":
        load(args.file)
    else:
        json.dump(initialisation(), sys.stdout, indent=1)
        print()


if __name__ == "__main__":
    main()
