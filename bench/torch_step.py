"""Milliseconds of a training step of the reference network in PyTorch, a JSON line each: {"engine", "threads", "batch", "ms", "version"}.

    python bench/torch_step.py [--threads 1,2] [--batches 128,384,1024] [--engines eager,compile,bf16] [--rounds 15] [--warmup 3] [--serve]

eager: float32, torch.optim.Adam. compile: forward, loss and gradients by torch.compile, fused Adam; needs a C++ compiler. bf16: eager under
autocast to bfloat16. ms is the median of the rounds; the first steps, which compile and warm up, are left out. Each engine and number of
threads has a process of its own, since compiled code keeps the number of threads that it was compiled for.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

NETWORK = {
    "model": {"kind": "transformer", "tokens": 8, "tokenSize": 128, "heads": 8, "feedForward": 512, "layers": 3},
    "binary": 56,
    "numerical": 14,
    "categoricalSources": 10,
    "numericalSources": 14,
    "loss": {"emphasis": 0.75, "maskWeight": 2},
}


NAMES = {"eager": "PyTorch eager", "compile": "PyTorch torch.compile, fused Adam", "bf16": "PyTorch eager, bf16 autocast"}


def prepare(engine, threads, batch):
    """A function that does one step."""
    import torch
    from golden import build, loss_of

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = build(NETWORK)
    adam = torch.optim.Adam(model.parameters(), lr=3e-4, fused=engine == "compile")
    clean = torch.rand(batch, 70)
    clean[:, :56] = (clean[:, :56] < 0.3).float()
    noisy = torch.where(torch.rand(batch, 70) < 0.5, clean[torch.randperm(batch)], clean)
    mask = (noisy != clean).float()

    def loss_fn(noisy, clean, mask):
        return loss_of(NETWORK, model(noisy), clean, mask)

    if engine == "compile":
        loss_fn = torch.compile(loss_fn, dynamic=False)

    def step():
        adam.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=engine == "bf16"):
            loss = loss_fn(noisy, clean, mask)
        loss.backward()
        adam.step()
        return loss.item()

    return step


def measure(engine, threads, batch, rounds, warmup):
    step = prepare(engine, threads, batch)
    for _ in range(warmup):
        step()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1e3)
    line = {"engine": NAMES[engine], "threads": threads, "batch": batch, "ms": round(statistics.median(times), 3)}
    print(json.dumps({**line, "version": version()}), flush=True)


def version():
    import torch

    return f"PyTorch {torch.__version__}"


def serve(engine, threads):
    """Takes turns with other engines: bench/step-process.ts says what is asked and answered."""
    step = batch = None
    last = float("inf")
    for line in sys.stdin:
        verb, number = line.split()
        start, core = time.perf_counter(), time.process_time()
        if verb == "open":
            batch = int(number)
            step = prepare(engine, threads, batch)
            step()
            answer = {"openMs": (time.perf_counter() - start) * 1e3, "version": version()}
        else:
            if last < 1:
                step()
            start, warm = time.perf_counter(), time.process_time()
            steps = 0
            while steps == 0 or (time.perf_counter() - start) * 1e3 < float(number):
                step()
                steps += 1
            last = (time.perf_counter() - start) / steps
            answer = {"ms": last * 1e3, "coreMs": (time.process_time() - warm) * 1e3 / steps}
            answer["turnCoreMs"] = (time.process_time() - core) * 1e3
        print(json.dumps({"engine": NAMES[engine], "threads": threads, "batch": batch, **answer}), flush=True)


def main():
    numbers = lambda text: [int(part) for part in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--batches", type=numbers, default=[128, 384, 1024])
    parser.add_argument("--engines", type=lambda text: text.split(","), default=["eager", "compile", "bf16"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help="do steps as lines of the input ask for them; one engine, one number of threads")
    args = parser.parse_args()
    runs = [(engine, threads) for engine in args.engines for threads in args.threads]
    if args.serve:
        serve(*runs[0])
        return
    if len(runs) == 1:
        for batch in args.batches:
            measure(args.engines[0], args.threads[0], batch, args.rounds, args.warmup)
        return
    status = 0
    for engine, threads in runs:
        batches = ",".join(map(str, args.batches))
        flags = ["--engines", engine, "--threads", str(threads), "--batches", batches]
        flags += ["--rounds", str(args.rounds), "--warmup", str(args.warmup)]
        # What one cannot do, such as compile without a compiler, is no reason to leave the others out.
        if subprocess.run([sys.executable, __file__, *flags]).returncode != 0:
            print(f"{engine} on {threads} threads failed", file=sys.stderr)
            status = 1
    sys.exit(status)


if __name__ == "__main__":
    main()
