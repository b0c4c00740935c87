"""The auditor's file: all that is known of a version of a model, with proofs, as JSON or as a page."""

import asyncio
from typing import Any

import msgspec
from fastapi import Request, Response
from starlette.responses import HTMLResponse

from api.dependencies import AsOf, RuntimeDep, made, position_of
from api.report_page import POLICY, page_of
from api.routes.base import router
from api.routes.model import Number
from skyulf.commands.base import Name
from skyulf.errors import NotAllowed
from skyulf.queries.report.sections import pictured

routes = router("audit")

PAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/json": {"schema": {"type": "object"}}, "text/html": {"schema": {"type": "string"}}},
        "description": "The report; HTML where Accept asks for it first.",
    }
}


@routes.get("/audit/model/{name}/versions/{number}/report", response_class=Response, responses=PAGE)
async def show_report(
    name: Name, number: Number, runtime: RuntimeDep, request: Request, as_of: AsOf = None
) -> Response:
    """Report all that the log knows of a version: data, training, evaluation, uses, changes, people, and the proofs.

    JSON, or with ``Accept: text/html`` one page with pictures that fetches nothing (docs/report.md).
    """
    position = None if as_of is None else await position_of(runtime, as_of)
    report = await asyncio.to_thread(runtime.reports.report, name, number, runtime.now(), position)
    if not request.headers.get("accept", "").startswith("text/html"):
        return Response(await asyncio.to_thread(msgspec.json.encode, report), media_type="application/json")
    pictures: list[str] = []
    problem = None
    if (evaluation := pictured(report)) is None:
        problem = "The evaluation cannot be read."
    else:
        key = (report["evaluation"]["artifact"], evaluation["importance"] is not None)
        try:
            pictures = await made(runtime.exports.pictures(key, evaluation), "the picture of the evaluation")
        except NotAllowed as error:
            problem = f"The evaluation was not drawn: {error.detail}."
    text = await asyncio.to_thread(page_of, report, pictures, problem)
    disposition = f'inline; filename="{name}-{number}-report.html"'
    headers = {"Content-Disposition": disposition, "Content-Security-Policy": POLICY}
    return HTMLResponse(text, headers=headers)
