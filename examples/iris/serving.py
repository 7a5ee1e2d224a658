"""Answer over HTTP whether a flower is an iris virginica, with the model in production."""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from model_store import ModelStore

CHECK_EVERY_SECONDS = 1.0
NO_MODEL = {"error": "there is no model in production yet"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Flower:
    """What a request to /predict says."""

    petal_width: float  # in centimetres


def predict(flower: Flower) -> Any:
    """Return the probability that the flower is an iris virginica."""
    if not 0 < flower.petal_width < 100:
        return {"error": "petal_width must be between 0 and 100 centimetres"}, 422
    served = production.get()
    if served is None:
        return NO_MODEL, 503
    probability = served.model.predict_proba([[flower.petal_width]])[0, 1]
    return {"probability": float(probability), "model_version": served.version}


def healthcheck() -> Any:
    """Return whether there is a model to answer with."""
    return {"status": "ok"} if production.get() else (NO_MODEL, 503)


def version() -> Any:
    """Return the version of the model that answers."""
    served = production.get()
    return {"model_version": served.version} if served else (NO_MODEL, 503)


@dataclass(frozen=True)
class Served:
    """A model that answers requests."""

    version: str
    model: Any


class Production:
    """The model in production, which follows promotions without a restart."""

    def __init__(self) -> None:
        self._store: ModelStore | None = None
        self._served: Served | None = None
        self._problem = ""
        self._checked_at = float("-inf")
        self._lock = threading.Lock()

    def get(self) -> Served | None:
        """Return the model to answer with, or None before the first promotion."""
        # One request at a time looks for a new model; the others go on with the one there is.
        if self._lock.acquire(blocking=self._served is None):
            try:
                if time.monotonic() - self._checked_at >= CHECK_EVERY_SECONDS:
                    self._check()
                    self._checked_at = time.monotonic()
            finally:
                self._lock.release()
        return self._served

    def _check(self) -> None:
        try:
            self._store = self._store or ModelStore()
            version = self._store.production()
            if version and (self._served is None or self._served.version != version):
                model = self._store.load(version)
                model.predict_proba([[1.0]])  # a model that cannot answer is not taken
                self._served = Served(version, model)
                log.info("serving model %s", version)
            self._problem = ""
        except Exception as error:  # whatever is wrong with the new model, the old one answers
            if repr(error) != self._problem:  # say it once, not with every check
                self._problem = repr(error)
                old = self._served.version if self._served else "no model"
                log.exception("cannot take the model in production, still serving %s", old)


production = Production()
