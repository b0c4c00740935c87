"""When nobody waits, a trained model gets an ONNX copy and its columns are weighed: once, whatever is killed."""

from system import QUICK, System, kinds

from skyulf.core.scorer import Scorer
from skyulf.runtime import reading
from skyulf.settings import Settings

FINISHED = ["ModelTrained", "ModelPackaged", "ModelExplained"]


def of_the_model(system: System, job: str) -> list[str]:
    return [kind for kind in kinds(system.stream(job)) if kind in FINISHED]


def test_a_trained_model_is_finished_exactly_once_though_its_server_was_killed(served: System) -> None:
    job = served.trained(served.upload())["id"]
    assert served.job(job)["onnx"] is None, "it is begun only once it has been quiet for a while"
    served.server.kill()
    served.start()
    shown = served.finished(job)
    assert of_the_model(served, job) == FINISHED
    assert shown["status"] == "succeeded"

    digest = shown["onnx"]["digest"]
    assert shown["onnx"]["reason"] is None
    assert shown["onnx"]["largest_difference"] < 1e-9
    with reading(Settings(data_dir=served.data_dir)) as (_, artifacts):
        copy = Scorer(artifacts().read(digest))
    assert copy.model == served.stream(job)[-3]["data"]["model"]

    evaluation = served.get(f"/v1/jobs/{job}/evaluation")
    assert {each["column"] for each in evaluation["importance"]} == {"x", "y", "colour"}
    assert evaluation["importance"][0]["mean"] == max(each["mean"] for each in evaluation["importance"])
    served.restart()
    assert served.job(job)["onnx"]["digest"] == digest
    assert of_the_model(served, job) == FINISHED


def test_a_model_without_a_copy_says_why(served: System) -> None:
    spec = {**QUICK, "steps": [*QUICK["steps"], {"node": "scale"}], "model": {"node": "k_neighbors"}}
    job = served.trained(served.upload(), spec)["id"]
    shown = served.finished(job)
    assert shown["onnx"] == {
        "digest": None,
        "reason": "k_neighbors: which of equally near rows count is scikit-learn's own choice",
        "probe_rows": 0,
        "largest_difference": None,
    }
