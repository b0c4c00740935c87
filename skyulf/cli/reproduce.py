"""``skyulf reproduce``: a model trained again from the log, and what was compared with what was recorded."""

import re
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from skyulf.cli.client import Client, connected
from skyulf.cli.models import as_asked, parse
from skyulf.cli.reader import version_of
from skyulf.cli.screen import Screen, counted, number, table
from skyulf.cli.train import ended, unfinished
from skyulf.cli.train_view import labelled
from skyulf.runtime import Runtime
from skyulf.settings import Settings

JOB = re.compile(r"job-[0-9a-f-]{36}")

STYLES = {"identical": "bold green", "equivalent": "bold yellow", "different": "bold red"}

VERDICTS = {
    "identical": "the same fitted state and the same predictions, by its fingerprint",
    "equivalent": "another fitted state that predicts the same",
    "different": "not the model that was recorded",
}

CAUSES = {
    "data": "the data is not what it was",
    "seed": "it was trained with another seed",
    "code": "Skyulf's own code is another",
    "package": "a package has another version",
    "threads": "it has another number of threads",
    "cpu": "the processor is another",
    "chance": "it comes out differently each time that it is trained, even now",
    "unknown": "nothing that was recorded differs",
}

SHORT = 20
"""Signs of a digest that are shown; --json has it whole."""


def run(screen: Screen, settings: Settings, text: str, seed: int | None) -> bool:
    """Reproduce a model or a job's training; whether it is identical or equivalent."""
    with connected(screen, settings, Runtime.start) as client:
        asked = {**named(client, text), **({} if seed is None else {"seed": seed})}
        job = ended(screen, client, client.send("POST", "/v1/reproductions", asked))
        if job["status"] != "succeeded":
            raise unfinished(job)
        training = client.get(f"/v1/jobs/{job['reproduction']['job_id']}")
    screen.document({"job": job, "recorded": {name: training[name] for name in ("id", "fingerprint", "metrics")}})
    screen.show(*reproduction(job), "", compared(job, training))
    return bool(job["reproduction"]["result"]["verdict"] != "different")


def named(client: Client, text: str) -> dict[str, Any]:
    """What is meant, as a request has it; a model alone is its newest version."""
    if JOB.fullmatch(text):
        return {"job_id": text}
    name, version = parse(text)
    if version is None:
        version = str(client.get(f"/v1/models/{name}")["model_version"])
    return as_asked(name, version)


def reproduction(job: Mapping[str, Any]) -> list[Any]:
    """What a reproduction came to, in lines."""
    of = job["reproduction"]
    lines = [labelled("of", (version_of(of["model"] or of["job_id"], of["model_version"]), "bold"))]
    if (result := of["result"]) is None:
        return lines
    verdict = result["verdict"]
    words = "it cannot be trained as it was" if result["fingerprint"] is None else VERDICTS[verdict]
    lines.append(labelled("verdict", (verdict, STYLES[verdict]), f"  {words}"))
    lines += [labelled("why", CAUSES[cause]) for cause in result["causes"]]
    if (said := result["comparison"]) is not None:
        words = f"{counted(said['otherwise'], 'row')} of {said['rows']:,} with another class, and all else at most "
        lines.append(labelled("predicts", f"{words}{number(said['largest_difference'])} apart"))
    if result["not_compared"]:
        lines.append(labelled("note", result["not_compared"]))
    return lines


def compared(job: Mapping[str, Any], training: Mapping[str, Any]) -> Any:
    """Everything that was compared, as it was recorded and as it is now."""
    made = table("", "compared", "recorded", "now", "")
    result = job["reproduction"]["result"]
    for fact in result["facts"]:
        _row(made, fact["aspect"], fact["name"], fact["recorded"], fact["now"])
    if result["fingerprint"] is not None:
        made.add_section()
        _row(made, "result", "fingerprint", training["fingerprint"], result["fingerprint"])
        for name, value in (job["metrics"] or {}).items():
            _row(made, "metric", name, (training["metrics"] or {}).get(name), value)
    return made


def _row(made: Any, aspect: str, name: str, recorded: object, now: object) -> None:
    mark = Text("same", style="dim") if recorded == now else Text("differs", style="bold")
    if recorded is None or now is None:
        mark = Text("not known", style="dim") if recorded is not now else mark
    made.add_row(Text(aspect, style="dim"), name, _short(recorded), _short(now), mark)


def _short(value: object) -> str:
    text = number(value)
    return f"{text[:SHORT]}…" if re.fullmatch(r"[0-9a-f]{64}", text) else text
