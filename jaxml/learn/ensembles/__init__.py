"""Ensembles: bagging and forests are a `vmap` over members, boosting is a `scan` over rounds."""

from jaxml.learn.ensembles.adaboost import (
    Boosted,
    adaboost,
    predict_adaboost,
    staged_adaboost,
)
from jaxml.learn.ensembles.bagging import bagging, bootstrap_weights
from jaxml.learn.ensembles.boosting import (
    BoostedTrees,
    gradient_boosting,
    predict_boosted,
    staged_boosted,
)
from jaxml.learn.ensembles.forest import extra_trees, predict_forest, random_forest

__all__ = [
    "Boosted",
    "BoostedTrees",
    "adaboost",
    "bagging",
    "bootstrap_weights",
    "extra_trees",
    "gradient_boosting",
    "predict_adaboost",
    "predict_boosted",
    "predict_forest",
    "random_forest",
    "staged_adaboost",
    "staged_boosted",
]
