"""Training through the whole system beside the same scikit-learn work called directly, in one run."""

import time
from statistics import median

from bench.data import COLUMNS, MODELS, direct, make, spec_of
from bench.measure import Line, Report, Target, ratio_of, scratch
from bench.servers import skyulf, wait_for

THREADS = 2
SIZES = (10_000, 100_000)
PAIRS = 7
TUNED_PAIRS = 3
"""How often the peer learns on one thread of BLAS and OpenMP, which it would have to be told."""

REHEARSAL = 0.8
"""Seconds in which the next sandbox is forked and rehearses, as it would while a person thinks."""

PATIENCE = 12.0
"""Seconds after which a model that has been learnt at least once on each side is not learnt again."""


def run() -> Report:
    """Learn every model at every size, directly and through the system in turn."""
    lines: list[Line] = []
    with scratch() as folder:
        frames = {rows: make(folder, rows) for rows in SIZES}
        with (
            direct(*frames.values()) as peer,
            skyulf(folder / "data", training_threads=THREADS) as server,
        ):
            datasets = {rows: server.upload(frame)["id"] for rows, frame in frames.items()}
            wait_for(server.sandbox_warm)
            for rows in SIZES:
                for model, params in MODELS.items():
                    spec = spec_of(model, params)
                    ours: list[float] = []
                    theirs: list[float] = []
                    begun = time.perf_counter()
                    while len(ours) < PAIRS and (not ours or time.perf_counter() - begun < PATIENCE):
                        theirs.append(
                            peer.seconds(frame=str(frames[rows]), model=model, params=params, threads=THREADS)
                        )
                        spent, job = server.train(datasets[rows], spec)
                        ours.append(spent)
                        server.finished(job)
                        time.sleep(REHEARSAL)
                    order = {"frame": str(frames[rows]), "model": model, "params": params, "threads": THREADS}
                    turns = range(min(TUNED_PAIRS, len(ours)))
                    tuned = [peer.seconds(**order, library_threads=1) for _ in turns]
                    lines += compare(rows, model, ours, theirs, tuned)
    return Report(
        "Training, POST /v1/jobs until it is shown as succeeded",
        lines,
        [
            "Directly: split, fit, eight metrics and a confusion matrix, refit on all rows; in a process that has "
            "imported and learnt before, on a frame that it has read, on as many threads, which wait as OpenMP comes, "
            "and at the same niceness.",
            "Ours as well: HTTP, four commits, the claim, reading the table, the checks, probing which columns take "
            "nulls, the fingerprint, and a model file (skops) and an evaluation that are flushed to the disk.",
            "Ours fits medians by selection, and chooses threads by the cores that are free; scikit-learn as it comes "
            "does neither. Told to use one thread of BLAS and OpenMP, it is as the lines below show.",
            "What follows a training (ONNX copy, importance) is waited for before the next is measured.",
            f"Forests: {MODELS['random_forest']}; one tree: {MODELS['decision_tree']}. In turn, up to {PAIRS} times.",
        ],
    )


def compare(rows: int, model: str, ours: list[float], theirs: list[float], tuned: list[float]) -> list[Line]:
    """The ratio, what the system adds, and the ratio to a peer whose libraries are told to use one thread."""
    what = f"{model}, {rows:,} × {COLUMNS}"
    target = Target("at most", 1.10) if rows == 100_000 else None
    added = median((one - other) * 1e3 for one, other in zip(ours, theirs, strict=True))
    return [
        Line(what, median(ours), "s", "scikit-learn directly", median(theirs), ratio_of(ours, theirs), target),
        Line("  added by the system", added, "ms"),
        Line("  the same", median(ours), "s", "directly, BLAS and OpenMP on one thread", median(tuned)),
    ]
