"""Optuna's side of bench/orchestration.ts: trials that do nothing but report.

python bench/orchestration.py sqlite|journal|memory PATH TRIALS REPORTS      prints {"seconds": ...}; needs: pip install optuna
"""

import json
import sys
import time
import warnings

import optuna
from optuna.storages import InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.WARNING)
kind, path, trials, reports = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
storage = {
    "sqlite": lambda: RDBStorage(f"sqlite:///{path}.db"),
    "journal": lambda: JournalStorage(JournalFileBackend(f"{path}.log")),
    "memory": InMemoryStorage,
}[kind]()
study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=1))


def objective(trial):
    p = trial.suggest_float("p", 0.05, 0.7)
    for step in range(reports):
        trial.report(p / (1 + step), step)
    return p


started = time.perf_counter()
study.optimize(objective, n_trials=trials)
print(json.dumps({"seconds": time.perf_counter() - started}))
