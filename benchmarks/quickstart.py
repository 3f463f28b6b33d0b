"""The quickstart on this machine: seconds, and the peak memory of all its processes together.

Cold has no compilation cache, warm has the one that the cold run left, again is the finished study.

usage: python benchmarks/quickstart.py [REPEATS]
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(out: Path, cache: Path) -> tuple[float, float]:
    """Wall seconds, and peak GiB of the process tree (proportional set size, every 0.1 s)."""
    command = [sys.executable, "-m", "funcdl", "run", "configs/quickstart.yaml", "--out", str(out)]
    env = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    began, peak = time.perf_counter(), 0
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(memory, tree(process.pid))))
            time.sleep(0.1)
    assert process.returncode == 0
    return time.perf_counter() - began, peak / 2**20


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        words = []
    return [pid, *(other for word in words for other in tree(int(word)))]


def memory(pid: int) -> int:
    """Proportional set size in KiB: shared pages are counted once."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    cases: dict[str, list[tuple[float, float]]] = {"cold": [], "warm": [], "again": []}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            cases["cold"].append(run(root / "one", root / "cache"))
            cases["warm"].append(run(root / "two", root / "cache"))
            cases["again"].append(run(root / "two", root / "cache"))
    for name, taken in cases.items():
        seconds = sorted(s for s, _ in taken)
        peak = max(m for _, m in taken)
        print(
            f"quickstart {name}: median {statistics.median(seconds):.1f} s "
            f"(min {seconds[0]:.1f}, max {seconds[-1]:.1f}), peak {peak:.2f} GiB"
        )


if __name__ == "__main__":
    main()
