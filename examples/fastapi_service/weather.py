"""Weather by city: the service under test."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, HTTPException

DEGREES = {"Oslo": 4.5, "Lima": 19.0, "Cairo": 28.5}


def create_app() -> FastAPI:
    app = FastAPI()

    @app.get("/weather/{city}")
    async def weather(city: str) -> dict[str, str | float]:
        if city not in DEGREES:
            raise HTTPException(404, f"no weather for {city}")
        await asyncio.sleep(0.001)  # stands for a database query
        return {"city": city, "degrees": DEGREES[city]}

    return app
