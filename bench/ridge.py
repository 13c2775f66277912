"""The outside judge of src/ridge: scikit-learn on the same numbers.

python bench/ridge.py golden > test/ridge/golden.json   makes the golden numbers of test/ridge/golden.test.ts
python bench/ridge.py time ROWS WIDTH ALPHAS            times GridSearchCV(Ridge) with 5 folds, for bench/ridge.ts

Needs: pip install scikit-learn numpy. The tables come from a generator that is a few lines in any language (splitmix32), so that the test
makes the same ones and only results are stored.
"""

import json
import sys
import time

import numpy as np
from sklearn.linear_model import Ridge
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


def timing(rows, width, alphas):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((rows, width)), rng.standard_normal(rows)
    started = time.perf_counter()
    GridSearchCV(Ridge(), {"alpha": np.logspace(0, 4, alphas)}, cv=KFold(FOLDS), scoring="neg_root_mean_squared_error", refit=False).fit(x, y)
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["golden"]:
        golden()
    elif sys.argv[1:2] == ["time"]:
        timing(*map(int, sys.argv[2:5]))
    else:
        sys.exit(__doc__)
