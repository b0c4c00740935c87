"""What runs in the child process that keeps models loaded in scikit-learn."""

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from skyulf.serving.media import Format

MODELS_KEPT = 16
"""The child keeps so many loaded models, those used last."""


class Ask(msgspec.Struct, frozen=True):
    """A request for predictions: what is served, where its file is, what the body is and the answer is to be.

    The body follows after a newline.
    """

    model: str
    model_version: int
    artifact: str
    path: str
    sent: Format
    wanted: Format
    intervals: bool = False


def pack(ask: Ask, body: bytes) -> bytes:
    """The request as the child takes it."""
    return msgspec.json.encode(ask) + b"\n" + body


def model_host() -> Callable[[bytes], bytes]:
    """Make the handler that answers in the child; it keeps the models it has loaded."""
    from skyulf.core.applier import Applier  # the libraries of learning are loaded in the sandbox only
    from skyulf.core.formats import load_model
    from skyulf.core.rows import RowReader
    from skyulf.serving.formats import read, write

    loaded: OrderedDict[str, tuple[Applier, RowReader]] = OrderedDict()

    def found(ask: Ask) -> tuple[Applier, RowReader]:
        ready = loaded.get(ask.artifact)
        if ready is None:
            applier = Applier(load_model(ask.path))
            ready = loaded[ask.artifact] = (applier, RowReader(applier.input_schema))
            if len(loaded) > MODELS_KEPT:
                loaded.popitem(last=False)
        loaded.move_to_end(ask.artifact)
        return ready

    def answer(request: bytes) -> bytes:
        head, _, body = request.partition(b"\n")
        ask = msgspec.json.decode(head, type=Ask)
        applier, reader = found(ask)
        predictions = applier.predict(read(ask.sent, body, reader))
        return write(ask.wanted, predictions, ask.model, ask.model_version, ask.intervals)

    return answer
