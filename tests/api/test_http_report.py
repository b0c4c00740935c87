"""Reports over HTTP: who gets one, as what, and that nothing that people wrote becomes part of the page."""

import json
from concurrent.futures import Future
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from live import Client, Server, assert_problem, csv_of, spec_for, until

from api.permissions import PERMISSIONS
from skyulf.errors import NotAllowed

EVIL = '"><script>alert("x")</script></script><img src=http://evil.example/x onerror=alert(1)>\u2028&amp; {{ 7 * 7 }}'
"""Written wherever people can write."""


class Page(HTMLParser):
    """What is in a page: its elements with their attributes, its text, and whether each is closed in its place."""

    EMPTY = frozenset({"meta", "br", "wbr", "col", "image", "use", "path", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open and self.open[-1] == "script" else self.words).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def reported(client: Client, server: Server) -> str:
    """The name of a model of which everything has a name that is meant to do harm."""
    content = csv_of().decode().replace("size,", 'the <b>size</b> & "more",').replace("red", "<i>red</i>")
    content = content.replace('the <b>size</b> & "more"', '"the <b>size</b> & ""more"""')
    dataset = client.upload(content.encode(), filename="a<b>.csv", name=EVIL).raise_for_status().json()["id"]
    spec = {**spec_for(), "target": "colour"}
    pipeline = client.post("/v1/pipelines", json={"name": EVIL, "spec": spec}).raise_for_status().json()["id"]
    asked = client.post("/v1/jobs", json={"dataset_id": dataset, "pipeline_id": pipeline, "model_name": "reported"})
    assert client.ended(asked.raise_for_status().json()["id"])["status"] == "succeeded"
    for path, body in (
        ("/v1/models/reported/aliases/champion", {"model_version": 1, "reason": EVIL}),
        ("/v1/deployments/reported", {"model": "reported", "model_version": 1, "reason": EVIL}),
    ):
        client.put(path, json=body).raise_for_status()
    assert server.runtime.sealer is not None
    server.runtime.sealer.seal(sign=True)
    return "reported"


PATH = "/v1/audit/model/{}/versions/1/report"


@pytest.fixture(scope="module")
def page(client: Client, reported: str) -> Page:
    def look() -> httpx.Response | None:
        """The page, once its pictures are drawn: until then it is to be asked for again."""
        sent = client.get(PATH.format(reported), headers={"Accept": "text/html,*/*;q=0.8"})
        return None if sent.status_code == httpx.codes.SERVICE_UNAVAILABLE else sent

    answer = until(look)
    assert answer is not None
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["content-disposition"] == 'inline; filename="reported-1-report.html"'
    return Page(answer.text)


def test_the_page_runs_and_fetches_nothing(page: Page) -> None:
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 1
    assert not {"img", "iframe", "object", "embed", "link", "form", "b", "i", "foreignobject"} & set(tags)
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "action", "srcset")]
        for name in ("href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    linked = {(attributes.get("href") or "")[1:] for tag, attributes in page.elements if tag == "a"}
    assert linked <= set(ids)


def test_what_people_wrote_is_shown_as_they_wrote_it(page: Page) -> None:
    shown = " ".join(EVIL.split())
    assert page.text.count(shown) >= 4, "a dataset's, a pipeline's, an alias's and a deployment's"
    assert 'the <b>size</b> & "more"' in page.text
    assert "<i>red</i>" in page.text


def test_the_page_has_the_evaluation_drawn(page: Page) -> None:
    figures = [attributes for tag, attributes in page.elements if tag == "figure"]
    drawn = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert len(figures) == len(drawn) == 2
    assert all("aria-label" in attributes for attributes in figures)
    assert all("width" not in attributes for attributes in drawn)


def test_the_page_holds_the_report_that_programs_get(page: Page, client: Client, reported: str) -> None:
    (embedded,) = page.scripts
    report: dict[str, Any] = json.loads(embedded)
    answer = client.get(PATH.format(reported))
    assert answer.headers["content-type"] == "application/json"
    again = answer.json()
    for changing in ("made_at", "position", "proofs", "not_known", "points", "denied"):
        report.pop(changing), again.pop(changing)
    assert report == again
    assert report["data"]["name"] == EVIL


def test_a_report_of_the_past_ends_where_it_is_asked_for(client: Client, reported: str) -> None:
    now = client.get(PATH.format(reported)).json()
    (alias,) = now["promotions"]
    then = client.get(PATH.format(reported), params={"as_of": alias["position"] - 1}).json()
    assert (then["promotions"], then["deployments"], then["position"]) == ([], [], alias["position"] - 1)
    assert_problem(client.get(PATH.format(reported), params={"as_of": 2**40}), 422, "invalid")
    assert_problem(client.get(PATH.format(reported), params={"as_of": 1}), 404, "not-found")


def test_whoever_may_see_keys_may_have_a_report(client: Client) -> None:
    operation = "GET /v1/audit/model/{name}/versions/{number}/report"
    assert PERMISSIONS[operation] == PERMISSIONS["GET /v1/keys"]
    assert_problem(client.get(PATH.format("nobody")), 404, "not-found")
    assert_problem(client.get("/v1/audit/model/reported/versions/99/report"), 404, "not-found")
    assert_problem(client.get("/v1/audit/model/reported/versions/0/report"), 422, "invalid")


def test_a_report_that_cannot_be_drawn_says_why(
    client: Client, server: Server, reported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: Future[list[str]] = Future()
    refused.set_exception(NotAllowed("it needs more than 1 MiB of memory, and is not made"))
    monkeypatch.setattr(server.runtime.exports, "pictures", lambda *_: refused)
    found = Page(client.get(PATH.format(reported), headers={"Accept": "text/html"}).text)
    assert "was not drawn: it needs more than 1 MiB" in found.text
