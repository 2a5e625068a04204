"""Histogram decision trees with fixed shapes: every weight, key and float hyperparameter may be a vmapped lane."""

from jaxml.learn.trees.binning import Binned, bin_features
from jaxml.learn.trees.drawing import tree_svg, tree_text
from jaxml.learn.trees.fit import TreeDiagnostics, decision_tree
from jaxml.learn.trees.growth import Rules, Tree, grow_tree
from jaxml.learn.trees.prediction import apply_tree, feature_importances, predict_tree

__all__ = [
    "Binned",
    "Rules",
    "Tree",
    "TreeDiagnostics",
    "apply_tree",
    "bin_features",
    "decision_tree",
    "feature_importances",
    "grow_tree",
    "predict_tree",
    "tree_svg",
    "tree_text",
]
