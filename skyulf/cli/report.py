"""``skyulf audit report``: the auditor's file of a version of a model; and the check of one, offline."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skyulf import report_verifier
from skyulf.cli.audit import seal_all
from skyulf.cli.client import connected
from skyulf.cli.models import parse, resolve
from skyulf.cli.owner import owner_of
from skyulf.cli.reader import Reader
from skyulf.cli.screen import Screen, Unverifiable, UsageError, counted, number, table
from skyulf.cli.train_view import labelled
from skyulf.runtime import auditing, in_postgres
from skyulf.settings import Settings
from skyulf.verifier import CannotTellError

if TYPE_CHECKING:
    from skyulf.runtime import Runtime

FORMS = {".html": "text/html", ".json": "application/json"}

DRAWN_WITHIN = 120.0
"""Seconds that pictures may take: so long as a sandbox may draw, and has to start before."""


def run(
    screen: Screen, settings: Settings, text: str, output: Path | None, as_of: str | None, *, printed: bool
) -> bool:
    """Write the report, or print it as JSON; without a server, the log is sealed before.

    Whether its events are as they were sealed: one of a log that was changed is made all the same, and says so.
    """
    name, asked = parse(text)
    _check(output)
    when: dict[str, str | int] = {} if as_of is None else {"as_of": as_of}
    alone = not in_postgres(settings) and owner_of(settings) is None

    def begin(runtime: "Runtime") -> None:
        runtime.projector.start()
        if alone:
            seal_all(runtime)

    with auditing(settings) as (log, _, _):
        head = log.head()
    with connected(screen, settings, begin) as client:
        reader = Reader(client, head, as_of)
        if asked is None:
            version = int(reader.get("models", name)["model_version"])
        else:
            version = int(asked) if asked.isdecimal() else resolve(reader, name, asked)
        path = f"/v1/audit/model/{name}/versions/{version}/report"
        if printed:
            report = client.get(path, **when)
            screen.document(report)
            return not report["proofs"]["changed"]
        file = output or Path(f"{name}-{version}-report.html")
        with screen.busy(f"writing {file.name}"):
            client.download(path, file, accept=FORMS[file.suffix.lower()], patience=DRAWN_WITHIN, **when)
    report = report_verifier.read_report(file)
    proofs = report["proofs"]
    told = {"model": name, "model_version": version, "file": str(file), "events": len(proofs["events"])}
    screen.document({**told, "proved": proofs["proved"], "changed": proofs["changed"]})
    screen.show(labelled("reported", (str(file), "bold"), f"  {name}:{version}, {number(file.stat().st_size)} bytes"))
    screen.show(f"{proofs['proved']} of {counted(len(proofs['events']), 'event')} proved by the newest checkpoint")
    if proofs["changed"]:
        screen.note(f"NOT as they were sealed: the events at {', '.join(map(str, proofs['changed']))}", style="red")
    screen.note(f"{counted(len(report['not_known']), 'gap')} named in it; skyulf audit verify --report checks it")
    return not proofs["changed"]


def _check(output: Path | None) -> None:
    if output is None:
        return
    if output.suffix.lower() not in FORMS:
        raise UsageError(f"--output: {output.name} must end with {' or '.join(FORMS)}")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"--output: there is no folder {output.absolute().parent}")


def verify(screen: Screen, file: Path, key: str | None, held: Sequence[Path], witnesses: Sequence[str]) -> bool:
    """Check a report by the verifier that stands alone; whether nothing was found."""
    if key is None:
        raise UsageError("--key KEY: a report is checked with the log's public key; skyulf audit key shows it")
    try:
        told = report_verifier.verify(str(file), key, [str(each) for each in held], list(witnesses))
    except CannotTellError as error:
        raise Unverifiable(str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"what was named cannot be read: {error}") from error
    screen.document(told)
    faults = told["faults"]
    if faults:
        screen.show(f"NOT as it was sealed: {counted(len(faults), 'fault')} in {counted(told['events'], 'event')}")
        made = table("position", "detail", right=("position",))
        for fault in faults:
            made.add_row(str(fault["position"]), fault["detail"])
        screen.show(made)
    else:
        screen.show(f"{counted(told['proved'], 'event')} of {told['events']} are as they were sealed")
    by = ", ".join([told["origin"], *told["witnesses"]])
    screen.show(f"by the checkpoint of {counted(told['checkpoint'], 'event')}, signed {told['signed_at']} by {by}")
    if told["not_covered"]:
        screen.show(f"newer than it, and not proved: the events at {', '.join(map(str, told['not_covered']))}")
    return bool(told["verified"])
