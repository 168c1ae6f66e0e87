"""What both scripts share: arguments, the clock's rules, the one line they print."""

import argparse
import json
import resource
import sys
import time

import torch


def arguments(what, **numbers):
    """Command line of a peer: an optional data folder and a few whole numbers."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("data", nargs="?", help="folder with ml-1m.inter.gz and so on; without it, made-up data of that shape")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")
    parser.add_argument("--seconds", type=float, default=60, help="how long to measure (default 60)")
    parser.add_argument("--device", default="cpu", help="where the model is: cpu or cuda (default cpu)")
    parser.add_argument("--fused", action="store_true", help="PyTorch's fused Adam in place of its default one")
    parser.add_argument(
        "--model",
        choices=["paper", "default"],
        default="paper",
        help="the paper's towers and draws, or what eemu has by default: towers of one layer, one negative a "
        "positive, and to adapt ten pairs and four steps (default paper)",
    )
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default or 'as the model has it'}")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    torch.set_default_device(args.device)
    return args


def clock():
    """Seconds, once the device has done what it was asked for."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


def adam(model, args):
    """The published step: 2e-4, PyTorch's other defaults."""
    return torch.optim.Adam(model.parameters(), lr=2e-4, fused=args.fused or None)


def report(what, rate, done, seconds, data, args):
    """One JSON line on standard output; nothing else goes there."""
    # Linux counts in KiB, macOS in bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    line = {
        "what": what,
        rate: round(done / seconds, 2),
        "threads": args.threads,
        "peak_memory_mb": round(peak),
        "done": done,
        "seconds": round(seconds, 1),
        "fused": args.fused,
        "model": args.model,
        "device": args.device,
        "data": data.source,
        "torch": torch.__version__,
    }
    print(json.dumps(line))
