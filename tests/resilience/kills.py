"""``kill -9`` in every stage, again and again, then one run to the end: it must equal an undisturbed one to the bit."""

import random

from jaxml.runs.directory import RunDirectory
from tests.resilience.project import Count, Project, differences, kill

STAGES = {  # what the command says as a stage begins: the name of the stage, and the longest delay in seconds
    "tracing": ("cold compilation", 4.0),
    "trials": ("chunks", 1.0),
    "judging": ("judging", 1.0),
    "map of": ("map filling", 2.0),
    "writing the report": ("report writing", 0.5),
}


def kills(project: Project, reference: RunDirectory, rounds: int, chance: random.Random) -> list[Count]:
    """Each round kills one run in every stage and then lets it end."""
    counts = {said: Count(f"kill -9 in {name}") for said, (name, _) in STAGES.items()}
    whole = Count("runs ended after those kills")
    for i in range(rounds):
        runs, cache = f"kills{i}", f"cold{i}"
        for said, (_, longest) in STAGES.items():
            landed = kill(project.start("--runs", runs, cache=cache), said, chance.uniform(0, longest))
            print(f"killed in: {landed or 'nothing, it had ended'}", flush=True)
            counts[said].add("killed" if landed else "had ended")
        code, text = project.run("--runs", runs, cache=cache)
        if code:
            whole.fail(f"exit code {code}: {text[-300:]}")
            continue
        alone = sum(path.is_dir() for path in (project.root / runs).iterdir()) == 1
        wrong = differences(project.the_run(runs), reference) if alone else []
        whole.fail(f"not equal: {wrong}") if wrong else whole.add("equal to the bit")
    return [*counts.values(), whole]


def ray_driver(project: Project, reference: RunDirectory) -> list[Count]:
    """The driver of a Ray run is killed among its chunks and started again."""
    count = Count("Ray driver killed and started again")
    options = ("--runs", "ray", "--executor", "ray", "--workers", "2")
    landed = kill(project.start(*options), "trials", 0.1)
    code, text = project.run(*options)
    if code or not landed:
        count.fail(f"killed in {landed!r}, exit code {code}: {text[-300:]}")
    elif wrong := differences(project.the_run("ray"), reference):
        count.fail(f"not equal: {wrong}")
    else:
        count.add("equal to the bit")
    return [count]
