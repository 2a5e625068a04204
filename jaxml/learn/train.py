"""The training loop of every network experiment, as one `lax.scan` over an optax optimizer.

Any pure loss, any pytree of parameters, minibatches from a key, early stopping as a mask (a scan cannot stop, but what
has stopped no longer moves), curves out. The whole run is one pure function: vmap it over keys, learning rates (build
the optimizer inside), initial parameters or data.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxml.ops.checks import Scalar

Loss = Callable[..., Any]
"""``loss(key, params, batch) -> value``, or with `state`: ``loss(key, params, state, batch) -> (value, state)``."""


class Curves(NamedTuple):
    """How a training run went.

    Attributes:
        loss: minibatch loss before each step, (steps,); frozen at its last value after stopping.
        validation: latest validation loss after each step, (steps,); NaN before the first and without validation.
        gradient_norm: global norm of the gradient at each step, (steps,); 0 after stopping.
        stopped_at: number of steps taken before early stopping; `steps` if it never stopped.
        best_step: steps taken when the returned parameters were reached.
        finite: whether every loss of the run was finite.
    """

    loss: Float[Array, " steps"]
    validation: Float[Array, " steps"]
    gradient_norm: Float[Array, " steps"]
    stopped_at: Int[Array, ""]
    best_step: Int[Array, ""]
    finite: Array


class Trained(NamedTuple):
    """Parameters, mutable state (None without) and curves."""

    params: Any
    state: Any
    diagnostics: Curves


class _Carry(NamedTuple):
    params: Any
    state: Any
    optimizer: Any
    order: Array
    best: tuple[Any, Any]
    best_value: Array
    best_step: Array
    waited: Array
    taken: Array
    loss: Array
    validation: Array


def train(
    key: PRNGKeyArray,
    loss: Loss,
    init: Any,
    data: Any,
    *,
    optimizer: optax.GradientTransformation,
    steps: int,
    batch_size: int | None = None,
    state: Any = None,
    validate: Callable[[Any, Any], Array] | None = None,
    validate_every: int = 1,
    patience: int | None = None,
    min_delta: Scalar = 0.0,
) -> Trained:
    """Minimise a loss by minibatch gradient steps.

    Each epoch permutes the rows afresh and cuts them into floor(n / batch_size) batches; what is left over sits this
    epoch out. Every step draws its own key for the loss.

    Args:
        key: a PRNG key: of the batches and of the loss.
        loss: ``loss(key, params, batch)``, a scalar; with `state`, ``loss(key, params, state, batch)``, a scalar and
            the next state (batch statistics, say).
        init: initial parameters, a pytree of floating arrays.
        data: a pytree of arrays with rows along the first axis, as one batch would be.
        optimizer: an optax transformation; a schedule belongs in it. One that needs more than the gradient gets the
            batch's loss as `value`, its gradient as `grad` and the loss as a function of the parameters as
            `value_fn`: `optax.polyak_sgd`, `optax.lbfgs`, `optax.contrib.reduce_on_plateau`.
        steps: gradient steps.
        batch_size: rows in a batch, 1..n; None means all of them, in order.
        state: initial mutable state, or None.
        validate: ``validate(params, state) -> scalar``, lower is better. The parameters of its least value are
            returned, instead of the last ones.
        validate_every: steps between validations.
        patience: stop after this many validations in a row without improvement; None never stops.
        min_delta: least decrease that counts as improvement, >= 0.

    Returns:
        `Trained(params, state, diagnostics)`.

    Raises:
        ValueError: when rows disagree, the batch is larger than the data, or patience has nothing to watch.

    A traced peak rate cannot be given to optax's schedules with a warm-up, which compare it in Python. Let the schedule
    rise to 1 and scale by the rate: ``optax.chain(optax.scale_by_adam(), optax.scale_by_schedule(
    optax.warmup_cosine_decay_schedule(0.0, 1.0, 10, 100)), optax.scale(-rate))``.

    Note: not a saver of time when it stops early. The remaining steps are computed and discarded.

    >>> X = jnp.linspace(-1, 1, 8)
    >>> mse = lambda key, w, batch: jnp.mean((batch[0] * w - batch[1]) ** 2)
    >>> run = train(
    ...     jax.random.key(0), mse, jnp.array(0.0), (X, 3 * X), optimizer=optax.sgd(0.3), steps=40, batch_size=4
    ... )
    >>> f"{run.params:.3f}", run.diagnostics.loss.shape
    ('3.000', (40,))
    """
    n = _count_rows(data)
    size = n if batch_size is None else batch_size
    if not 1 <= size <= n:
        raise ValueError(f"train: 'batch_size' must lie in 1..n={n}, got {batch_size}. Lower it, or None for all rows.")
    if patience is not None and validate is None:
        raise ValueError("train: 'patience' watches the validation loss. Give 'validate', or drop 'patience'.")
    per_epoch = n // size
    order_key, loss_key = jax.random.split(key)
    scored = _with_state(loss, state is not None)
    value_and_grad = jax.value_and_grad(scored, has_aux=True)
    update = optax.with_extra_args_support(optimizer).update
    dtype = jnp.result_type(*jax.tree.leaves(init))

    def draw(carry: _Carry, step: Array) -> tuple[Array, Any]:
        """The epoch's order, and this step's rows of it."""
        if batch_size is None:
            return carry.order, data
        # The predicate depends on the step alone: under vmap it stays a branch, and sorting is rare.
        order = lax.cond(
            step % per_epoch == 0,
            lambda: jax.random.permutation(jax.random.fold_in(order_key, step), n),
            lambda: carry.order,
        )
        rows = lax.dynamic_slice_in_dim(order, step % per_epoch * size, size)
        return order, jax.tree.map(lambda leaf: leaf[rows], data)

    def advance(carry: _Carry, step: Array) -> tuple[_Carry, tuple[Array, Array, Array]]:
        order, batch = draw(carry, step)
        own_key = jax.random.fold_in(loss_key, step)
        (value, state), gradient = value_and_grad(carry.params, carry.state, own_key, batch)
        # What optimizers that search or judge their own step ask for; all others leave it unread.
        extra = {"value": value, "grad": gradient, "value_fn": lambda p: scored(p, carry.state, own_key, batch)[0]}
        # optax counts steps in integers and multiplies them with floats.
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer_state = update(gradient, carry.optimizer, carry.params, **extra)
        moved = (optax.apply_updates(carry.params, updates), state, optimizer_state)
        going = jnp.ones((), bool) if patience is None else carry.waited < patience
        params, state, optimizer_state = _choose(going, moved, (carry.params, carry.state, carry.optimizer))
        taken = carry.taken + going.astype(jnp.int32)
        value = jnp.where(going, value.astype(dtype), carry.loss)
        norm = jnp.where(going, optax.tree.norm(gradient).astype(dtype), 0.0)
        carry = carry._replace(
            params=params, state=state, optimizer=optimizer_state, order=order, taken=taken, loss=value
        )
        if validate is not None:
            score = validate
            carry = lax.cond(
                (step + 1) % validate_every == 0, lambda c: _judge(c, going, score, min_delta), lambda c: c, carry
            )
        return carry, (value, carry.validation, norm)

    zero, infinite = jnp.zeros((), jnp.int32), jnp.full((), jnp.inf, dtype)
    begin = _Carry(
        init, state, optimizer.init(init), jnp.arange(n), (init, state), infinite, zero, zero, zero,
        infinite, jnp.full((), jnp.nan, dtype),
    )  # fmt: skip
    end, (losses, validations, norms) = lax.scan(advance, begin, jnp.arange(steps))
    finite = jnp.all(jnp.isfinite(losses))
    if validate is None:
        return Trained(end.params, end.state, Curves(losses, validations, norms, end.taken, end.taken, finite))
    params, state = end.best
    return Trained(params, state, Curves(losses, validations, norms, end.taken, end.best_step, finite))


def _judge(carry: _Carry, going: Array, validate: Callable[[Any, Any], Array], min_delta: Scalar) -> _Carry:
    """Validate, and keep the parameters if they are the best so far; NaN never is."""
    value = jnp.asarray(validate(carry.params, carry.state), carry.best_value.dtype)
    better = going & (value < carry.best_value - jnp.asarray(min_delta, value.dtype))
    return carry._replace(
        best=_choose(better, (carry.params, carry.state), carry.best),
        best_value=jnp.where(better, value, carry.best_value),
        best_step=jnp.where(better, carry.taken, carry.best_step),
        waited=jnp.where(better, 0, carry.waited + 1),
        validation=jnp.where(going, value, carry.validation),
    )


def _choose(condition: Array, yes: Any, no: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def _with_state(loss: Loss, stateful: bool) -> Callable[..., tuple[Array, Any]]:
    if stateful:
        return lambda params, state, key, batch: loss(key, params, state, batch)
    return lambda params, state, key, batch: (loss(key, params, batch), None)


def _count_rows(data: Any) -> int:
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(data)]
    counts = {shape[0] if shape else None for shape in shapes}
    if len(counts) != 1 or None in counts:
        raise ValueError(
            f"train: every array in 'data' must have the same number of rows, got shapes {shapes}. "
            "Put what is not data into the loss."
        )
    (n,) = counts
    return int(n or 0)
