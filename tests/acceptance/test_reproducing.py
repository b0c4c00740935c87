"""A model is reproduced once, whatever is killed meanwhile, with its threads; the command line tells of it."""

import json
from pathlib import Path

from command_line import skyulf
from system import System, forest, kinds

from skyulf.runtime import reading
from skyulf.settings import Settings

TREES = 500


def table_of(system: System, job: str) -> Path:
    """The file that a job was trained on, encrypted as it lies there."""
    digest = system.stream(job)[0]["data"]["dataset_artifact"]
    with reading(Settings(data_dir=system.data_dir)) as (_, open_artifacts):
        (name,) = [each.name for each in open_artifacts().stored() if each.digest == digest]
    digits = name.removeprefix("sha256:")
    return Path(system.data_dir / "artifacts" / digits[:2] / digits)


def test_a_reproduction_outlives_its_server_and_is_told_at_the_command_line(served: System) -> None:
    training = served.trained(served.upload(), forest(TREES), model_name="tiny", seed=3)
    job = served.send("POST", "/v1/reproductions", {"model": "tiny", "model_version": 1})["id"]
    served.begun(job).suspend()
    served.server.kill()
    served.settings = {"training_threads": 1}
    served.start()
    ended = served.wait(job)
    assert (ended["status"], ended["attempt"], ended["error"]) == ("succeeded", 2, None)
    happened = [kind for kind in kinds(served.stream(job)) if kind != "JobProgressed"]
    assert happened == ["ReproductionCreated", "JobStarted", "JobReclaimed", "JobStarted", "ModelReproduced"]
    result = ended["reproduction"]["result"]
    assert (result["verdict"], result["fingerprint"]) == ("identical", training["fingerprint"])
    threads = {fact["name"]: (fact["recorded"], fact["now"]) for fact in result["facts"] if fact["aspect"] == "threads"}
    assert threads["threads"] == ("2", "2"), "it has the threads that were recorded, and not the server's"

    here = ("--data-dir", served.data_dir)
    again = skyulf("reproduce", "tiny", *here)
    assert again.returncode == 0, again.stderr
    for words in ("tiny:1", "identical", "scikit-learn", "recorded", "fingerprint"):
        assert words in again.stdout
    table = table_of(served, training["id"])
    whole = table.read_bytes()
    table.write_bytes(whole[:-5] + bytes([whole[-5] ^ 4]) + whole[-4:])
    spoilt = skyulf("reproduce", "tiny:1", "--json", *here)
    assert spoilt.returncode == 1
    assert json.loads(spoilt.stdout)["job"]["reproduction"]["result"]["causes"] == ["data"]
