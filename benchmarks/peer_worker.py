"""One detector on one series, in an environment of its own: `python peer_worker.py NAME DATA.npz OUT.npz SECONDS`.

Knows NumPy and, once named, the one library that it runs; knows nothing of OpenLookout unless that is the one. `DATA`
has train, test (n_rows, n_sensors) and their segments; `OUT` gets scores, the detector's own verdict where it has one,
processor seconds of fitting and of scoring and the process' peak memory, or what went wrong. Every peer but those that
scale by themselves gets readings standardised by training, missing ones replaced by its mean; defaults elsewhere.
"""

import resource
import signal
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

MB_PER_KB = 1 / 1000
Answer = tuple[np.ndarray, np.ndarray | None]


class Ours:
    """OpenLookout, as training and inference run it."""

    package = "openlookout"

    def __init__(self) -> None:
        from openlookout.detection.training import fit

        self._fit = fit

    def fit(self, train: np.ndarray, segment: np.ndarray) -> None:
        self.detector = self._fit(train, np.ones(len(train), bool), segment)

    def score(self, test: np.ndarray, segment: np.ndarray) -> Answer:
        scores, _ = self.detector.score(test, segment)
        return scores.anomaly, scores.alarm


class Standardised:
    """A peer that wants readings of one size and none missing."""

    def fit(self, train: np.ndarray, segment: np.ndarray) -> None:
        self.mean = np.nan_to_num(np.nanmean(train, axis=0))
        deviation = np.nan_to_num(np.nanstd(train, axis=0))
        self.deviation = np.where(deviation > 0, deviation, 1.0)
        self.fit_rows(self.scaled(train))

    def score(self, test: np.ndarray, segment: np.ndarray) -> Answer:
        return self.score_rows(self.scaled(test))

    def scaled(self, rows: np.ndarray) -> np.ndarray:
        return np.nan_to_num((rows - self.mean) / self.deviation, nan=0.0)

    def fit_rows(self, rows: np.ndarray) -> None: ...

    def score_rows(self, rows: np.ndarray) -> Answer: ...


class Pyod(Standardised):
    """pyod; its verdict at its default contamination of 0.1."""

    package = "pyod"

    def __init__(self, name: str) -> None:
        if name == "KNN":
            from pyod.models.knn import KNN as Model
        elif name == "OCSVM":
            from pyod.models.ocsvm import OCSVM as Model
        elif name == "IForest":
            from pyod.models.iforest import IForest as Model
        else:
            from pyod.models.auto_encoder import AutoEncoder as Model
        seed = {} if name in ("KNN", "OCSVM") else {"random_state": 0}
        self.model = Model(**seed)

    def fit_rows(self, rows: np.ndarray) -> None:
        self.model.fit(rows)

    def score_rows(self, rows: np.ndarray) -> Answer:
        scores = np.asarray(self.model.decision_function(rows), float)
        return scores, scores > self.model.threshold_


class EnergyFaultDetector:
    """energy-fault-detector with the configuration that it ships; it clips, fills and scales by itself."""

    package = "energy-fault-detector"

    def __init__(self) -> None:
        import energy_fault_detector
        from energy_fault_detector.config import Config
        from energy_fault_detector.fault_detector import FaultDetector

        configuration = Path(energy_fault_detector.__file__).parent / "base_config.yaml"
        self.model = FaultDetector(Config(configuration), tempfile.mkdtemp())

    def frame(self, rows: np.ndarray) -> Any:
        import pandas as pd

        times = pd.date_range("2024-01-01", periods=len(rows), freq="min")
        return pd.DataFrame(rows, index=times, columns=[f"s{k}" for k in range(rows.shape[1])])

    def fit(self, train: np.ndarray, segment: np.ndarray) -> None:
        self.model.fit(self.frame(train), save_models=False)

    def score(self, test: np.ndarray, segment: np.ndarray) -> Answer:
        found = self.model.predict(self.frame(test))
        scores = np.asarray(found.anomaly_score, float).ravel()
        return scores, np.asarray(found.predicted_anomalies).astype(bool).ravel()


class Merlion(Standardised):
    """Merlion's VAE and its default post-processing, whose non-zero answers are its verdict."""

    package = "salesforce-merlion"

    def __init__(self) -> None:
        from merlion.models.anomaly.vae import VAE, VAEConfig

        self.model = VAE(VAEConfig())

    def series(self, rows: np.ndarray) -> Any:
        import pandas as pd
        from merlion.utils import TimeSeries

        times = pd.date_range("2024-01-01", periods=len(rows), freq="min")
        return TimeSeries.from_pd(pd.DataFrame(rows, index=times, columns=[f"s{k}" for k in range(rows.shape[1])]))

    def fit_rows(self, rows: np.ndarray) -> None:
        self.model.train(self.series(rows))

    def score_rows(self, rows: np.ndarray) -> Answer:
        series = self.series(rows)
        scores = self.model.get_anomaly_score(series).to_pd().to_numpy(float)[:, 0]
        label = self.model.get_anomaly_label(series).to_pd().to_numpy(float)[:, 0]
        missing = len(rows) - len(scores)  # The first rows of a window that is not full.
        return np.r_[np.full(missing, scores.min()), scores], np.r_[np.zeros(missing), label] != 0


class TsbAdCnn(Standardised):
    """TSB-AD's CNN with the settings of its list for multivariate series; it has scores and no verdict."""

    package = "TSB-AD"

    def __init__(self) -> None:
        from TSB_AD.models.CNN import CNN

        self.kind = CNN

    def fit_rows(self, rows: np.ndarray) -> None:
        self.model = self.kind(window_size=50, num_channel=[32, 32, 40], lr=0.0008, feats=rows.shape[1], batch_size=128)
        self.model.fit(rows)

    def score_rows(self, rows: np.ndarray) -> Answer:
        return np.asarray(self.model.decision_function(rows), float).ravel(), None


def make(name: str) -> Any:
    """Give a detector, its library loaded."""
    if name.startswith("pyod "):
        return Pyod(name.removeprefix("pyod "))
    kinds = {"OpenLookout": Ours, "energy-fault-detector": EnergyFaultDetector, "Merlion VAE": Merlion}
    return (kinds | {"TSB-AD CNN": TsbAdCnn})[name]()


class OutOfTime(BaseException):
    """No library's `except Exception` is to swallow it."""


def out_of_time(*_: object) -> None:
    raise OutOfTime


def run(name: str, data: str, seconds: int) -> dict[str, Any]:
    with np.load(data) as file:
        train, train_segment, test, test_segment = (
            file[part] for part in ("train", "train_segment", "test", "test_segment")
        )
    np.random.seed(0)
    detector = make(name)
    told: dict[str, Any] = {"version": version(detector.package), "loaded_mb": peak_mb()}
    # Seconds of the processor: a machine that does other work must not decide what is done in time.
    signal.signal(signal.SIGPROF, out_of_time)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    started = time.process_time()
    try:
        detector.fit(train, train_segment)
        fitted = time.process_time()
        scores, predicted = detector.score(test, test_segment)
    except OutOfTime:
        return told | {"error": f"not done after {seconds} s"}
    except Exception as error:  # A detector that fails on a series is a result, the worst one.
        return told | {"error": f"{type(error).__name__}: {error}"[:200]}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    told |= {"fit_s": fitted - started, "score_s": time.process_time() - fitted, "peak_mb": peak_mb(), "scores": scores}
    return told if predicted is None else told | {"predicted": np.asarray(predicted, bool)}


def peak_mb() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts what the parent had before this program began into ru_maxrss.
        high = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(high.split()[1]) * MB_PER_KB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MB_PER_KB


if __name__ == "__main__":
    _, name, data, out, seconds = sys.argv
    np.savez(out, **run(name, data, int(seconds)))
