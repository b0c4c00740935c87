import pytest
from scenario import given

from skyulf.commands.webhook import (
    ChangeWebhook,
    CreateWebhook,
    RemoveWebhook,
    ReplaceWebhookSecret,
    ReplayWebhook,
    RetryDelivery,
    SkipDelivery,
)
from skyulf.errors import Invalid, NotAllowed, NotFound
from skyulf.events.webhook import (
    DeliveryRetried,
    DeliverySkipped,
    Filter,
    WebhookChanged,
    WebhookCreated,
    WebhookPaused,
    WebhookRemoved,
    WebhookReplayed,
    WebhookResumed,
    WebhookSecretReplaced,
)

HOOK = "webhook-1"
URL = "https://example.org/hook"
HASH = "ab" * 32
JOBS = Filter(nouns=("job",))
CREATED = WebhookCreated(url=URL, filter=JOBS, secret_hash=HASH)
THERE = {HOOK: [CREATED]}
REMOVED = {HOOK: [CREATED, WebhookRemoved()]}


def creating(url: str = URL, **wanted: tuple[str, ...]) -> CreateWebhook:
    return CreateWebhook(id=HOOK, url=url, filter=Filter(**wanted), secret_hash=HASH)


def test_creating() -> None:
    given().when(creating(nouns=("job",))).then(CREATED)
    from_there = CreateWebhook(id=HOOK, url=URL, filter=JOBS, after=7, secret_hash=HASH)
    given().when(from_there).then(CREATED.model_copy(update={"after": 7}))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org/hook",
        "ftp://example.org/hook",
        "file:///etc/passwd",
        "https:///hook",
        "https://ann:secret@example.org/",
        "https://example.org/#there",
        "https://example.org/a b",
        "https://exämple.org/",
        "https://example.org:99999/",
        "https://example.org:x/",
        "https://[::1/",
        "https://example.org/\nhook",
        f"https://example.org/{'a' * 2_000}",
    ],
)
def test_where_nothing_can_be_delivered_is_refused(url: str) -> None:
    refusal = given().when(creating(url)).refused(Invalid, "url")
    assert [fault.place for fault in refusal.faults] == ["url"]  # type: ignore[attr-defined]
    assert "secret" not in refusal.detail


@pytest.mark.parametrize(
    ("wanted", "place", "named"),
    [
        ({"types": ("JobMade",)}, "types", "JobCreated"),
        ({"nouns": ("jobs",)}, "nouns", "job"),
        ({"streams": ("jobs",)}, "streams", "job-"),
        ({"streams": ("nothing-1",)}, "streams", "job-"),
        ({"types": ("JobCreated",), "nouns": ("model",)}, "filter", "nothing"),
        ({"types": ("JobCreated",), "streams": ("model-irises",)}, "filter", "nothing"),
        ({"streams": tuple(f"job-{number}" for number in range(201))}, "streams", "200"),
    ],
)
def test_a_filter_that_can_take_nothing_is_refused(wanted: dict[str, tuple[str, ...]], place: str, named: str) -> None:
    refusal = given().when(creating(**wanted)).refused(Invalid, named)
    assert place in [fault.place for fault in refusal.faults]  # type: ignore[attr-defined]


def test_a_change_says_what_changed() -> None:
    models = Filter(nouns=("model",))
    given(THERE).when(ChangeWebhook(id=HOOK, url=URL, filter=JOBS, paused=False)).then()
    given(THERE).when(ChangeWebhook(id=HOOK, url=URL, filter=JOBS, paused=True)).then(WebhookPaused())
    both = ChangeWebhook(id=HOOK, url=URL, filter=models, paused=True)
    given(THERE).when(both).then(WebhookChanged(url=URL, filter=models), WebhookPaused())
    paused = {HOOK: [CREATED, WebhookPaused()]}
    given(paused).when(ChangeWebhook(id=HOOK, url=URL, filter=JOBS, paused=False)).then(WebhookResumed())
    given(THERE).when(ChangeWebhook(id=HOOK, url="ftp://x", filter=JOBS, paused=False)).refused(Invalid, "scheme")


def test_what_else_can_be_asked() -> None:
    given(THERE).when(ReplayWebhook(id=HOOK, after=3)).then(WebhookReplayed(after=3))
    given(THERE).when(RetryDelivery(id=HOOK, stream="job-1")).then(DeliveryRetried(stream="job-1"))
    given(THERE).when(ReplaceWebhookSecret(id=HOOK, secret_hash="cd")).then(WebhookSecretReplaced(secret_hash="cd"))
    given(THERE).when(RemoveWebhook(id=HOOK)).then(WebhookRemoved())
    given(REMOVED).when(RemoveWebhook(id=HOOK)).then()


def test_what_is_skipped_stays_so() -> None:
    skip = SkipDelivery(id=HOOK, stream="job-1", position=9)
    skipped = DeliverySkipped(stream="job-1", position=9)
    given(THERE).when(skip).then(skipped)
    given({HOOK: [CREATED, skipped]}).when(skip).then()


@pytest.mark.parametrize(
    "command",
    [
        ChangeWebhook(id=HOOK, url=URL, filter=JOBS, paused=False),
        ReplaceWebhookSecret(id=HOOK, secret_hash=HASH),
        ReplayWebhook(id=HOOK, after=3),
        RetryDelivery(id=HOOK, stream="job-1"),
        SkipDelivery(id=HOOK, stream="job-1", position=9),
    ],
)
def test_of_one_that_is_removed_nothing_can_be_asked(command: ChangeWebhook) -> None:
    given(REMOVED).when(command).refused(NotAllowed, "removed")
    given().when(command).refused(NotFound, "webhook")


def test_the_secret_does_not_tell_two_orders_apart() -> None:
    one, other = (CreateWebhook(url=URL, secret_hash=letter * 64) for letter in "ab")
    assert one.fingerprint(None) == other.fingerprint(None)
