"""How long the program takes to answer: `funcdl --help`, and a config with a misspelt argument.

usage: python benchmarks/startup.py [REPEATS]
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.yaml"


def seconds(words: list[str], repeats: int, status: int) -> list[float]:
    """Wall times of a command, after one unmeasured call that warms the disk."""
    taken = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        ended = subprocess.run([sys.executable, "-m", "funcdl", *words], capture_output=True)
        taken.append(time.perf_counter() - began)
        assert ended.returncode == status, ended.stderr.decode()
    return taken[1:]


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        text = QUICKSTART.read_text()
        typo = Path(folder) / "typo.yaml"
        typo.write_text(text.replace("momentum: 0.9", "momentun: 0.9"))
        unknown = Path(folder) / "unknown.yaml"
        unknown.write_text(text.replace("repeat: 5", "repeats: 5"))
        cases = [
            ("funcdl --help", ["--help"], 0),
            ("a misspelt optimizer argument", ["run", str(typo)], 2),
            ("a misspelt key", ["run", str(unknown)], 2),
        ]
        for name, words, status in cases:
            taken = seconds(words, repeats, status)
            low, middle, high = min(taken), statistics.median(taken), max(taken)
            print(f"{name}: median {middle:.2f} s (min {low:.2f}, max {high:.2f})")


if __name__ == "__main__":
    main()
