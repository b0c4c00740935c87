import pytest
from builders import named, record, renamed, sequential_ids
from hypothesis import given
from hypothesis import strategies as st

from skyulf.adapters.memory_log import MemoryEventLog
from skyulf.errors import NotFound
from skyulf.events.pipeline import PipelineArchived
from skyulf.projections.pipeline import PIPELINES
from skyulf.queries.history import HistoryService, differences, fields_of

P = "pipeline-a"

documents = st.dictionaries(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 2), st.just([1])))


def history_of(*records_) -> HistoryService:
    log = MemoryEventLog(sequential_ids())
    log.restore(records_)
    return HistoryService(log)


def test_an_event_that_cannot_be_read_is_told_and_the_rest_is_shown():
    service = history_of(
        record(named("a"), 1, P, 1),
        record(renamed("b"), 2, P, 2, schema=99),
        record(renamed("c"), 3, P, 3),
    )
    first, unread, last = service.changes("pipeline", P)
    assert unread.changes == ()
    assert "PipelineRevised@99 is unknown to this version" in unread.problem
    assert [(change.place, change.before, change.after) for change in last.changes] == [("name", "a", "c")]
    assert first.problem is last.problem is None


def test_a_thing_of_another_noun_is_not_found():
    with pytest.raises(NotFound, match="there is no job pipeline-a"):
        history_of(record(named(), 1, P, 1)).changes("job", P)


@given(documents, documents)
def test_differences_lead_from_one_to_the_other(before, after):
    before, after = ({k: v for k, v in each.items() if v is not None} for each in (before, after))
    reached = {**before, **{change.place: change.after for change in differences(before, after)}}
    assert {place: value for place, value in reached.items() if value is not None} == after
    assert all(change.before != change.after for change in differences(before, after))


def test_a_history_ends_where_the_read_model_stands():
    events = (record(named("a"), 1, P, 1), record(renamed("b"), 2, P, 2), record(PipelineArchived(), 3, P, 3))
    row = None
    for recorded, event in zip(events, (named("a"), renamed("b"), PipelineArchived()), strict=True):
        row = PIPELINES.fold(row, event, recorded)
    fields = {}
    for change in history_of(*events).changes("pipeline", P):
        fields |= {each.place: each.after for each in change.changes}
    assert fields == fields_of(row)
