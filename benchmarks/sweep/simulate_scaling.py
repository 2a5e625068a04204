"""A million trials on 1 to 1,000 workers, simulated: what scheduling, store writes, compiling and failures cost.

Run ``python benchmarks/sweep/simulate_scaling.py``. Discrete events: idle workers take the next chunk, the coordinator
hands out and writes one chunk at a time, workers fail at exponential times and come back empty, a chunk that was lost
is computed again. The costs below are assumptions, given as options; measure your own with
`jaxml.sweep.cost.describe_plan(trial, plan, probe=True)`.
"""

import argparse
import heapq
import random


def simulate(options: argparse.Namespace, workers: int, lanes: int, seed: int = 0) -> dict[str, float]:
    """One run: seconds, useful share of the workers' time, chunks lost, share of the time the coordinator worked."""
    rng = random.Random(seed)
    chunks = -(-options.trials // lanes)
    service = lanes * options.trial_seconds
    rate = 1.0 / (options.hours_between_failures * 3600)
    coordinator_free = busy = end = 0.0
    todo, lost = chunks, 0
    fails_at = [rng.expovariate(rate) for _ in range(workers)]
    compiled = [False] * workers
    events = [(0.0, worker, False) for worker in range(workers)]  # time, worker, whether it brings a result
    heapq.heapify(events)
    while events:
        now, worker, brings = heapq.heappop(events)
        if brings:
            coordinator_free = max(now, coordinator_free) + options.write_seconds
            busy += options.write_seconds
            end = max(end, coordinator_free)
        if todo == 0:
            continue
        todo -= 1
        coordinator_free = max(now, coordinator_free) + options.schedule_seconds
        busy += options.schedule_seconds
        begin = coordinator_free + (0.0 if compiled[worker] else options.compile_seconds)
        compiled[worker] = True
        if begin + service > fails_at[worker]:
            lost, todo, compiled[worker] = lost + 1, todo + 1, False
            back = max(fails_at[worker], coordinator_free) + options.restart_seconds
            fails_at[worker] = back + rng.expovariate(rate)
            heapq.heappush(events, (back, worker, False))
        else:
            heapq.heappush(events, (begin + service, worker, True))
    return {"seconds": end, "useful": chunks * service / (end * workers), "lost": lost, "coordinator": busy / end}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument("--trial-seconds", type=float, default=0.1, help="of one lane inside a chunk")
    parser.add_argument("--compile-seconds", type=float, default=20.0)
    parser.add_argument("--schedule-seconds", type=float, default=0.001)
    parser.add_argument("--write-seconds", type=float, default=0.01, help="of one chunk, all outputs")
    parser.add_argument("--hours-between-failures", type=float, default=24.0, help="of one worker")
    parser.add_argument("--restart-seconds", type=float, default=120.0)
    options = parser.parse_args()
    print(f"{'workers':>8} {'lanes':>6} {'chunks':>7} {'hours':>8} {'useful':>7} {'lost':>5} {'coordinator busy':>17}")
    for workers in (1, 10, 100, 1000):
        for lanes in (16, 128, 1024):
            run = simulate(options, workers, lanes)
            print(
                f"{workers:8d} {lanes:6d} {-(-options.trials // lanes):7d} {run['seconds'] / 3600:8.2f} "
                f"{run['useful']:7.1%} {run['lost']:5.0f} {run['coordinator']:17.1%}"
            )


if __name__ == "__main__":
    main()
