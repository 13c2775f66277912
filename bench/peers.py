"""The peers' side of bench/orchestration.ts: trials that do nothing but report.

python bench/peers.py sqlite|journal|memory|ray PATH TRIALS REPORTS      prints {"seconds": ...}; needs: pip install optuna "ray[tune]"

sqlite, journal and memory are Optuna's storages. Ray Tune is measured with its processes up and its results written to PATH, one trial a core.
"""

import json
import os
import sys
import time
import warnings

warnings.simplefilter("ignore")
kind, path, trials, reports = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def with_optuna():
    import optuna
    from optuna.storages import InMemoryStorage, JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
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
    return time.perf_counter() - started


def with_ray():
    os.environ.update(RAY_AIR_NEW_OUTPUT="0", TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="0", RAY_DEDUP_LOGS="0")
    import ray
    from ray import tune

    ray.init(logging_level="error", log_to_driver=False, include_dashboard=False)

    def objective(config):
        for step in range(reports):
            tune.report({"loss": config["p"] / (1 + step)})

    tuner = tune.Tuner(
        objective,
        param_space={"p": tune.uniform(0.05, 0.7)},
        tune_config=tune.TuneConfig(num_samples=trials),
        run_config=tune.RunConfig(storage_path=path, verbose=0),
    )
    started = time.perf_counter()
    results = tuner.fit()
    seconds = time.perf_counter() - started
    assert len(results) == trials and results.num_errors == 0
    return seconds


seconds = with_ray() if kind == "ray" else with_optuna()
print(json.dumps({"seconds": seconds}))
