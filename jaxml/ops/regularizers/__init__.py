"""Penalties, their proximal operators and projections, on pytrees of parameters."""

from jaxml.ops.regularizers.penalties import (
    elastic_net,
    group_lasso,
    l0_count,
    l1,
    l2_norm,
    l2_squared,
    total_variation,
)
from jaxml.ops.regularizers.projections import project_l1_ball, project_simplex
from jaxml.ops.regularizers.proximal import (
    prox_elastic_net,
    prox_group_lasso,
    prox_l0,
    prox_l1,
    prox_l2_norm,
    prox_l2_squared,
)

__all__ = [
    "elastic_net",
    "group_lasso",
    "l0_count",
    "l1",
    "l2_norm",
    "l2_squared",
    "project_l1_ball",
    "project_simplex",
    "prox_elastic_net",
    "prox_group_lasso",
    "prox_l0",
    "prox_l1",
    "prox_l2_norm",
    "prox_l2_squared",
    "total_variation",
]
