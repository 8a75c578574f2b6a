"""An application that counts what its users do with Headcount.

Run it with `uvicorn app:app`; HEADCOUNT_COLLECTOR_URL and the other variables say where Headcount is.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from headcount import AsyncHeadcount, InvalidEventsError
from pydantic import BaseModel

analytics = AsyncHeadcount()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    # uvicorn ends the process without running what is registered at its exit.
    await analytics.close()


app = FastAPI(lifespan=lifespan)


class Draft(BaseModel):
    user_id: str
    session_id: str
    topic: str


@app.post("/drafts")
async def create_draft(draft: Draft, request: Request) -> dict[str, str]:
    began = datetime.now()
    text = f"A post about {draft.topic}"
    analytics.queue_event(
        user_id=draft.user_id,
        session_id=draft.session_id,
        event_type="feature_use",
        event_data={
            "feature": "blog-post-generator",
            "duration": (datetime.now() - began) // timedelta(milliseconds=1),
        },
        metadata={
            "user_agent": request.headers.get("user-agent"),
            "ip_address": request.client.host if request.client else None,
            "platform": "web",
        },
    )
    return {"text": text}


@app.get("/usage")
async def usage() -> dict[str, Any]:
    today = datetime.now(timezone.utc).date()
    metrics = await analytics.get_platform_metrics(today - timedelta(days=6), today)
    return {"activeUsers": metrics.active_users, "features": metrics.feature_usage}


@app.exception_handler(InvalidEventsError)
async def invalid(_: Request, error: InvalidEventsError) -> JSONResponse:
    problems = [str(problem) for one in error.rejected for problem in one.problems]
    return JSONResponse({"problems": problems}, status_code=400)
