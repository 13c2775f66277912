"""The outside judge of src/ridge: scikit-learn on the same numbers.

python bench/ridge.py golden > test/ridge/golden.json   makes the golden numbers of test/ridge/golden.test.ts
python bench/ridge.py time ROWS WIDTH ALPHAS            times GridSearchCV(Ridge) with 5 folds, for bench/ridge.ts
python bench/ridge.py fit WIDTH ROWS ...                times single fits of Ridge, to extrapolate from
python bench/ridge.py gcv ROWS WIDTH ALPHAS             times RidgeCV, which scores alphas by leaving single rows out
python bench/ridge.py errors ROWS WIDTH ALPHA ...       held-out RMSE of every fold and alpha on the table "plain"

Needs: pip install scikit-learn numpy. The tables come from a generator that is a few lines in any language (splitmix32), so that the test
makes the same ones and only results are stored.
"""

import json
import sys
import time

import numpy as np
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold

ALPHAS = [1e-3, 1e-1, 1.0, 10.0, 1000.0]
FOLDS = 5


def uniform(count, seed):
    """splitmix32 of seed + 1 .. seed + count, as numbers in [0, 1)."""
    z = (np.arange(1, count + 1, dtype=np.uint64) * 0x9E3779B9 + seed) & 0xFFFFFFFF
    z = ((z ^ (z >> np.uint64(16))) * 0x21F0AAAD) & 0xFFFFFFFF
    z = ((z ^ (z >> np.uint64(15))) * 0x735A2D97) & 0xFFFFFFFF
    return (z ^ (z >> np.uint64(15))).astype(np.float64) / 2**32


def table(name, rows, width, seed):
    """Features [rows, width] float32 and target [rows] float64; test/ridge/tables.ts is its twin."""
    u = uniform(rows * width, seed).reshape(rows, width)
    noise = uniform(rows, seed + 1) - 0.5
    x = (u - 0.5).astype(np.float32)
    if name == "shifted":  # means of up to a thousand times the spread, scales over four decades
        for j in range(width):
            x[:, j] = ((u[:, j] - 0.5 + (j % 4) * 250) * [0.01, 0.1, 1.0, 10.0, 100.0][j % 5]).astype(np.float32)
    if name == "onehot":  # levels of one column, a constant and a duplicate: exactly singular without a penalty
        level = np.floor(u[:, 0] * 5)
        for j in range(5):
            x[:, j] = level == j
        x[:, 5] = 1
        x[:, 6] = x[:, 7]
    x64 = x.astype(np.float64)
    scale = np.maximum(1e-12, np.abs(x64 - x64[0]).max(axis=0))
    signal = (((x64 - x64[0]) / scale) * np.cos(np.arange(width))).sum(axis=1)
    return x, signal + noise


CASES = [("plain", 300, 20, 1), ("shifted", 400, 12, 2), ("onehot", 250, 16, 3), ("wide", 60, 90, 4), ("binary", 300, 10, 5)]


def golden():
    cases = []
    for name, rows, width, seed in CASES:
        x, y = table(name, rows, width, seed)
        if name == "binary":
            y = (y > np.median(y)).astype(np.float64)
        fold = np.arange(rows) % FOLDS
        folds = []
        for f in range(FOLDS):
            metrics = []
            for alpha in ALPHAS:
                model = Ridge(alpha, solver="svd").fit(x[fold != f].astype(np.float64), y[fold != f])
                p, t = model.predict(x[fold == f].astype(np.float64)), y[fold == f]
                m = {"rmse": np.sqrt(np.mean((t - p) ** 2)), "mae": mean_absolute_error(t, p), "r2": r2_score(t, p)}
                if name == "binary":
                    m |= {"auc": roc_auc_score(t, p), "accuracy": accuracy_score(t, p >= 0.5)}
                metrics.append({k: float(v) for k, v in m.items()})
            folds.append(metrics)
        last = Ridge(1.0, solver="svd").fit(x.astype(np.float64), y)
        fit = [float(v) for v in [*last.coef_[:3], last.intercept_]]
        cases.append({"name": name, "rows": rows, "width": width, "seed": seed, "folds": folds, "fit": fit})
    json.dump({"alphas": ALPHAS, "foldCount": FOLDS, "cases": cases}, sys.stdout, indent=1)
    print()


def timed(work):
    """Seconds, and those of all cores together: the better measure where others want them, too."""
    wall, cores = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - wall, "coreSeconds": time.process_time() - cores}


def numbers(rows, width):
    rng = np.random.default_rng(0)
    return rng.standard_normal((rows, width)), rng.standard_normal(rows)


def timing(rows, width, alphas):
    grid = {"alpha": np.logspace(0, 4, alphas)}
    search = GridSearchCV(Ridge(), grid, cv=KFold(FOLDS), scoring="neg_root_mean_squared_error", refit=False)
    x, y = numbers(rows, width)
    return timed(lambda: search.fit(x, y))


def fits(width, *sizes):
    x, y = numbers(max(sizes), width)
    return [timed(lambda: Ridge(10.0).fit(x[:rows], y[:rows])) for rows in sizes]


def leave_one_out(rows, width, alphas):
    x, y = numbers(rows, width)
    return timed(lambda: RidgeCV(np.logspace(0, 4, alphas)).fit(x, y))


def errors(rows, width, *alphas):
    x, y = table("plain", rows, width, 1)
    x, fold = x.astype(np.float64), np.arange(rows) % FOLDS
    rmse = lambda f, alpha: np.sqrt(np.mean((Ridge(alpha).fit(x[fold != f], y[fold != f]).predict(x[fold == f]) - y[fold == f]) ** 2))
    return [[float(rmse(f, alpha)) for alpha in alphas] for f in range(FOLDS)]


if __name__ == "__main__":
    if sys.argv[1:2] == ["golden"]:
        golden()
    elif sys.argv[1:2] == ["errors"]:
        print(json.dumps(errors(int(sys.argv[2]), int(sys.argv[3]), *map(float, sys.argv[4:]))))
    elif sys.argv[1:2] and sys.argv[1] in (modes := {"time": timing, "fit": fits, "gcv": leave_one_out}):
        print(json.dumps(modes[sys.argv[1]](*map(int, sys.argv[2:]))))
    else:
        sys.exit(__doc__)
