"""funcdl: compare optimizers and architectures in JAX, from one config to a tested table.

>>> import funcdl as fd
>>> study = fd.Study(task="classification", data="digits", model="mlp", repeat=5,
...                  compare={"optimizer": [{"name": "sgd", "learning_rate": 0.1},
...                                         {"name": "adamw", "learning_rate": 0.001}]})

`fd.run(study)` carries it out, `fd.load(folder)` reads what came out, `fd.verify(folder)` does runs
again and compares bits, `fd.compare(folders)` joins studies. Importing funcdl does not
import JAX; each name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from funcdl.api import run
    from funcdl.config import Study, load_study, versioned
    from funcdl.data.arrays import arrays
    from funcdl.errors import DamageWarning, DataError, FuncdlError, StoreError, StudyError
    from funcdl.merging.compare import Comparison, compare
    from funcdl.models.adapt import from_functions, from_linen, from_nnx
    from funcdl.results import Results, load
    from funcdl.tracking.tensorboard import TensorBoard
    from funcdl.tracking.wandb import Wandb
    from funcdl.train.run import make_train
    from funcdl.train.streams import stream_keys
    from funcdl.types import Dataset, Model, Optimizer, Split, State, Task, Train
    from funcdl.verification.outcome import Verification
    from funcdl.verification.verify import verify

__version__ = "0.1.0"

_HOMES = {
    "funcdl.api": ("run",),
    "funcdl.config": ("Study", "load_study", "versioned"),
    "funcdl.data.arrays": ("arrays",),
    "funcdl.errors": ("DamageWarning", "DataError", "FuncdlError", "StoreError", "StudyError"),
    "funcdl.merging.compare": ("Comparison", "compare"),
    "funcdl.models.adapt": ("from_functions", "from_linen", "from_nnx"),
    "funcdl.results": ("Results", "load"),
    "funcdl.tracking.tensorboard": ("TensorBoard",),
    "funcdl.tracking.wandb": ("Wandb",),
    "funcdl.train.run": ("make_train",),
    "funcdl.train.streams": ("stream_keys",),
    "funcdl.verification.outcome": ("Verification",),
    "funcdl.verification.verify": ("verify",),
    "funcdl.types": ("Dataset", "Model", "Optimizer", "Split", "State", "Task", "Train"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Comparison",
    "DamageWarning",
    "DataError",
    "Dataset",
    "FuncdlError",
    "Model",
    "Optimizer",
    "Results",
    "Split",
    "State",
    "StoreError",
    "Study",
    "StudyError",
    "Task",
    "TensorBoard",
    "Train",
    "Verification",
    "Wandb",
    "arrays",
    "compare",
    "from_functions",
    "from_linen",
    "from_nnx",
    "load",
    "load_study",
    "make_train",
    "run",
    "stream_keys",
    "verify",
    "versioned",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(
            f"module 'funcdl' has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
