"""Train a model that tells by its petal width whether a flower is an iris virginica.

python training.py train      fits a model and saves it as a candidate
python training.py validate   promotes the newest candidate to production if it is good enough
"""

import argparse
import os
import sys
from typing import Any

from model_store import ModelStore
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split


def train(store: ModelStore) -> None:
    """Fit a model to the training rows and save it as a candidate."""
    widths, is_virginica, _, _ = iris_rows()
    version = store.save(LogisticRegression().fit(widths, is_virginica))
    print(f"saved candidate {version}")


def validate(store: ModelStore, min_accuracy: float) -> None:
    """Promote the newest candidate, or exit with status 1 if it is not accurate enough."""
    version = store.newest_candidate()
    if version is None:
        sys.exit("there is no candidate yet: run `python training.py train` first")
    _, _, widths, is_virginica = iris_rows()
    accuracy = store.load(version).score(widths, is_virginica)
    # Not `accuracy < min_accuracy`: that would let a NaN pass.
    if not accuracy >= min_accuracy:
        sys.exit(
            f"candidate {version} is not promoted: its accuracy on held-out rows is {accuracy:.3f},"
            f" less than {min_accuracy:g}"
        )
    store.promote(version)
    print(f"promoted {version}: its accuracy on held-out rows is {accuracy:.3f}")


def iris_rows() -> tuple[Any, Any, Any, Any]:
    """Return petal widths (cm) and answers to train with, then those held out; always the same."""
    iris = load_iris()
    widths = iris.data[:, [iris.feature_names.index("petal width (cm)")]]
    is_virginica = iris.target_names[iris.target] == "virginica"
    train_widths, test_widths, train_answers, test_answers = train_test_split(
        widths, is_virginica, test_size=0.3, stratify=is_virginica, random_state=42
    )
    return train_widths, train_answers, test_widths, test_answers


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=["train", "validate"])
    parser.add_argument(
        "--min-accuracy",
        type=float,
        default=os.environ.get("MIN_ACCURACY", "0.9"),
        help="what validate demands; default: $MIN_ACCURACY, or 0.9",
    )
    options = parser.parse_args()
    store = ModelStore()
    if options.step == "train":
        train(store)
    else:
        validate(store, options.min_accuracy)


if __name__ == "__main__":
    main()
