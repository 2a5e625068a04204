"""What an editor shows of a key of a config: the JSON Schema with a description of every property."""

from typing import Any

_KEYS = {
    "RunConfig.experiment": "the module in experiments/ that holds the trial",
    "RunConfig.name": "the name of the run directory; the file's own by default",
    "RunConfig.title": "the title of the report",
    "RunConfig.about": "what is run, in a few sentences, for the report",
    "RunConfig.data": "fixed parameters of the trial: those about the data",
    "RunConfig.fixed": "fixed parameters of the trial",
    "RunConfig.sweep": "the axes of the grid: a list of values, or generators that are joined, or zip",
    "RunConfig.seeds": "reported replications: 0, 1, 2, ... in order, never chosen",
    "RunConfig.tuning_seeds": "replications for tuning only: -1, -2, ..., never reported",
    "RunConfig.looks": "the seed counts at which a decision may be taken",
    "RunConfig.alpha": "two-sided error of the whole run, shared by all its primary cells (Holm)",
    "RunConfig.population": "where seeds draw from one data set: whom the claims are about",
    "RunConfig.claims": "what is claimed, by id",
    "RunConfig.map": "where a claim holds in the plane of two traced parameters, by the claim's id",
    "RunConfig.domain": "where a claim is said to hold, by its id; jaxml falsify searches it",
    "RunConfig.smoke": "overrides used by --smoke, such as fewer training steps",
    "RunConfig.precision": "float32 or float64",
    "RunConfig.master_key": "the name that all keys derive from; the config's by default",
    "RunConfig.lanes": "the most trials side by side; by default what fits",
    "RunConfig.extends": "a config in the same folder to start from",
    "AxisSpec.values": "values, one after another",
    "AxisSpec.linspace": "[first, last, how many], evenly spaced",
    "AxisSpec.logspace": "[first exponent of 10, last, how many], evenly spaced in the logarithm",
    "AxisSpec.geomspace": "[first, last, how many], evenly spaced in the logarithm",
    "AxisSpec.range": "whole numbers as Python's range: [stop], [start, stop] or [start, stop, step]",
    "AxisSpec.zip": "several parameters that move together, each with its values",
    "kind": "the sort of claim; a contrast where none is named",
    "statement": "one sentence that can be wrong",
    "source": "where it is claimed",
    "does_not_show": "what the claim leaves open, for the reader of its card",
    "of": "the entry of catalogue.yaml that the claim is about",
    "as": "how the claim relates to that entry",
    "quantifier": "reference, all (every cell), most (at least 80 % of cells), some (some cell)",
    "metric": "an output of the trial, or a derived quantity of Experiment(metrics=...)",
    "direction": "whether the claim says larger or smaller",
    "scale": "difference; log_ratio for errors and times; points for accuracies; logit for rates",
    "arms": "axis values that pin the two settings; without against the effect is absolute",
    "claimed": "axis values of the arm of which something is claimed",
    "against": "what the first is held against",
    "tune": "axes along which each arm picks its own point, on the tuning seeds",
    "margin": "the smallest effect of interest, and the reason for it",
    "reference": "the values at which the claim speaks",
    "where": "the cells that are meant, by axis values",
    "applies_if": "what must hold in a seed for the claim to speak of it",
    "leave_out": "rules by which cells are left out",
    "cap": "a value that reaches it is known to be at least so much",
    "range": "the lowest and the highest value that the metric can take",
    "controls": "settings that must come out refuted (negative) and supported (positive)",
    "negative": "settings for which the claim must be refuted",
    "positive": "settings for which the claim must be supported",
    "name": "its name, for tables and pages",
    "value": "the number, in the unit of the scale",
    "reason": "why it is that number",
    "factor": "the margin as a ratio, for the scales log_ratio and logit",
    "at_least": "the number that must be reached, and why",
    "at_most": "the number that must not be passed, and why",
    "over": "the axes that are tuned",
    "TimingClaim.over": "settings that both are timed at, by name",
    "minimise": "the quantity whose mean over the tuning seeds is made small",
    "maximise": "the quantity whose mean over the tuning seeds is made large",
    "per": "one pick for the whole run, or one for each seed on draws of its own",
    "ends": "ends of an axis beyond which there is nothing: {lam: smallest}",
    "equals": "the number that a single arm is said to equal; without it the other arm",
    "along": "the axis along which the claim speaks",
    "form": "slope: at least the margin for each unit of the axis; steps: no step goes the other way by more",
    "log": "whether the axis counts by its logarithm",
    "meets": "the effect at which the boundary is",
    "rises": "whether the effect rises along the axis, or falls",
    "theory": "where theory puts the boundary: a number, or an output or metric that gives one for each seed",
    "rivals": "the arms that the claimed one is held against",
    "beats": "which rivals it beats: all, any, or the best, picked on the tuning seeds",
    "whole": "the arm whose gain over against is the whole",
    "share": "the share of that gain that the claimed arm brings at least",
    "alone": "two arms with one change each; the claimed arm, with both, brings more than they add up to",
    "suite": "a suite of Experiment(suites=...)",
    "cases": "how many cases are drawn",
    "number": "a worked figure of Experiment(numbers=...)",
    "told": "the figure as the source prints it, as text: '2.86', '63.2 %'",
    "unlike": "what must come out otherwise, so that the claim can fail",
    "program": "a program of Experiment(programs=...)",
    "ProgramClaim.against": "another program, of which the count is a ratio",
    "ProgramClaim.at_least": "the least count",
    "ProgramClaim.at_most": "the largest count",
    **{
        f"{model}.{end}": f"the {word} value that the metric may have"
        for model in ("Premise", "Exclusion")
        for end, word in (("at_least", "least"), ("at_most", "largest"))
    },
    "count": "what is counted of the program",
    "exactly": "the count that is claimed",
    "faster": "a callable of Experiment(timings=...)",
    "than": "what it is faster than",
    "blocks": "how many blocks of paired timings",
    "time_limit": "seconds that one process may take",
    "status": "what is known of it",
    "why": "why that is known",
    "arm": "the arm in which it must hold",
    "seeds": "how many seeds",
    "rows": "rows of the data set",
    "drawn": "rows that a seed draws, for claims about the law behind them",
    "test": "rows that a seed tests on, where it uses all",
    "Population.of": "data_set, these rows, or law, what is behind them",
    "axes": "two traced parameters and their values, or the sides of a domain",
    "at": "the settings of the other axes",
    "stride": "how coarse a map begins; it is refined around the boundary",
    "low": "the lower end, included",
    "high": "the upper end, included",
}
"""By ``model.key`` where a key means one thing there, else by the key alone."""


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with a description of every property that has none, in place.

    >>> described({"title": "RunConfig", "properties": {"seeds": {}}})["properties"]["seeds"]["description"]
    'reported replications: 0, 1, 2, ... in order, never chosen'
    """
    for model, held in [(schema.get("title"), schema), *schema.get("$defs", {}).items()]:
        for key, value in held.get("properties", {}).items():
            text = _KEYS.get(f"{model}.{key}") or _KEYS.get(key)
            if text and "description" not in value:
                value["description"] = text
    return schema
