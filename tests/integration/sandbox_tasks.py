"""What the sandbox's tests run inside children; light, for each child imports it."""

import dataclasses
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from skyulf.errors import Fault, Invalid, WrongVersion
from skyulf.reactions.sandbox import Send


class Foreign:
    pass


class SpecInvalid(Invalid):
    pass


def add(send: Send, a: int, b: int) -> int:
    return a + b


def pid(send: Send) -> int:
    return os.getpid()


def echo(send: Send, value: Any) -> Any:
    return value


def count_up(send: Send, to: int) -> str:
    for number in range(to):
        send({"number": number})
    return "done"


def refuse(send: Send) -> None:
    send("checking")
    raise SpecInvalid("the spec is wrong", [Fault("steps[0]", "is unknown")])


def conflict(send: Send) -> None:
    raise WrongVersion("job-1", 3, 4)


def blunder(send: Send) -> None:
    raise ZeroDivisionError("by zero")


def answer_foreign(send: Send) -> Foreign:
    return Foreign()


def answer_function(send: Send) -> Any:
    return os.system


def answer_unpicklable(send: Send) -> Any:
    return threading.Lock()


def leave(send: Send, code: int) -> None:
    os._exit(code)


def crash(send: Send) -> None:
    os.kill(os.getpid(), 11)


def sleep(send: Send, seconds: float) -> None:
    send("asleep")
    time.sleep(seconds)


def hog_interpreter(send: Send) -> None:
    send("hogging")
    sum(range(10**12))  # one call into C that never gives the interpreter's lock back


def with_grandchild(send: Send, seconds: float) -> None:
    grandchild = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])
    send((os.getpid(), grandchild.pid))
    time.sleep(seconds)


def leaving_grandchild(send: Send, seconds: float) -> int:
    return subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"]).pid


def forked_grandchild_then_crash(send: Send) -> None:
    grandchild = os.fork()
    if grandchild == 0:
        time.sleep(60)
        os._exit(0)
    send(grandchild)
    os.kill(os.getpid(), 9)


def descriptors(send: Send) -> dict[int, str]:
    found = {}
    for name in [entry.name for entry in Path("/proc/self/fd").iterdir()]:
        try:
            found[int(name)] = str(Path(f"/proc/self/fd/{name}").readlink())
        except FileNotFoundError:
            continue
    return found


def environment(send: Send) -> dict[str, str]:
    return dict(os.environ)


def surroundings(send: Send) -> dict[str, Any]:
    return {
        "nice": os.nice(0),
        "session": os.getsid(0),
        "group": os.getpgid(0),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "threads": threading.active_count(),
        "main": getattr(sys.modules["__main__"], "__file__", None),
        "scratch": os.environ["TMPDIR"],
    }


def allocate(send: Send, size: int) -> int:
    import numpy as np

    return len([np.empty(1 << 24, dtype=np.uint8) for _ in range(size >> 24)])


def start_threads(send: Send, count: int) -> None:
    done = threading.Event()
    threads = [threading.Thread(target=done.wait, daemon=True) for _ in range(count)]
    try:
        for thread in threads:
            thread.start()
    finally:
        done.set()


def wrapped_memory_error(send: Send) -> None:
    try:
        raise MemoryError
    except MemoryError as error:
        raise ValueError("all the fits failed") from error


def fit_forest(send: Send) -> float:
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(0)
    x = rng.normal(size=(5000, 10))
    y = (x @ rng.normal(size=10) > 0).astype(int)
    return float(HistGradientBoostingClassifier(max_iter=20).fit(x, y).score(x, y))


def cross_validate_in_processes(send: Send) -> int:
    from joblib import Parallel, delayed

    return sum(Parallel(n_jobs=2)(delayed(abs)(-number) for number in range(10)))


def pool_threads(send: Send) -> list[int]:
    from threadpoolctl import threadpool_info

    return [pool["num_threads"] for pool in threadpool_info()]


def held(send: Send) -> dict[str, Any]:
    import importlib

    import numpy as np
    import pandas as pd
    import scipy.optimize
    import sklearn.model_selection

    from skyulf.reactions.sandbox.fork_server import UNUSED

    imported = [name for name in UNUSED if name in sys.modules]
    functions = {
        "sklearn": sklearn.model_selection.train_test_split,
        "scipy": scipy.optimize.minimize,
        "pandas": pd.concat,
        "numpy": np.linalg.solve,
    }
    return {
        "imported": imported,
        "documented": {name: function.__doc__ is not None for name, function in functions.items()},
        "asserts": __debug__,
        "can be imported": [name for name in UNUSED if importlib.import_module(name)],
    }


def modules(send: Send) -> list[str]:
    return sorted(name for name in sys.modules if not name.startswith("_"))


def random_numbers(send: Send) -> list[float]:
    import numpy as np

    return [float(np.random.random()) for _ in range(3)]


def write_scratch(send: Send) -> str:
    path = Path(os.environ["TMPDIR"]) / "left.bin"
    path.write_bytes(b"x" * 1000)
    return str(path.parent)


def say(send: Send) -> None:
    print("said by the task")
    sys.stderr.write("warned by the task\n")


def connect(send: Send, address: str) -> None:
    socket.socket(socket.AF_UNIX).connect(address)


@dataclasses.dataclass
class Doubler:
    delay: float

    def __call__(self, payload: bytes) -> bytes:
        if payload == b"die":
            os._exit(7)
        if payload == b"refuse":
            raise Invalid("rows are wrong", [Fault("row 1", "is too short")])
        if payload == b"hang":
            time.sleep(60)
        if payload == b"pid":
            return str(os.getpid()).encode()
        time.sleep(self.delay)
        return payload * 2


def doubler(delay: float) -> Doubler:
    return Doubler(delay)


def no_handler() -> Doubler:
    raise Invalid("there is no such model")


def die_making_handler() -> Doubler:
    os._exit(9)


_PREPARED: list[str] = []


def note(word: str) -> None:
    _PREPARED.append(word)
    if word == "wrong":
        raise ValueError(word)


def noted(send: Send) -> list[str]:
    return _PREPARED


def rehearsed(send: Send) -> list[str]:
    from skyulf.reactions.rehearsal import rehearse

    rehearse(2)
    return [path.name for path in Path(os.environ["TMPDIR"]).iterdir()]
