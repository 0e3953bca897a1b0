"""Drives a session through its workflow over HTTP."""

from typing import Any

import httpx

OK = {"status": "ok"}
# What the agent does first, the check, and the repair; integration begins with its check.
TYPES = {
    "ContextDesignSessions": ("GenerateDesign", "ValidateDesign", "ReviseDesign"),
    "ComponentDesignSessions": ("GenerateDesign", "ValidateDesign", "ReviseDesign"),
    "ComponentTestSessions": ("GenerateTestsAndFixtures", "RunTests", "FixCompilationErrors"),
    "ComponentCodingSessions": ("GenerateImplementation", "RunTests", "FixTestFailures"),
    "IntegrationSessions": ("", "RunIntegrationTests", "FixIntegrationFailures"),
}


async def start(client: httpx.AsyncClient, type_: str, **fields: Any) -> str:
    """The path of a new session."""
    response = await client.post("/api/sessions", json={"type": type_, **fields})
    assert response.status_code == 201, response.text
    return f"/api/sessions/{response.json()['id']}"


async def ask(client: httpx.AsyncClient, session: str) -> dict[str, Any]:
    response = await client.post(f"{session}/next-command")
    assert response.status_code in {200, 201}, response.text
    interaction: dict[str, Any] = response.json()
    return interaction


async def answer(
    client: httpx.AsyncClient, session: str, interaction: dict[str, Any], result: dict[str, Any]
) -> dict[str, Any]:
    path = f"{session}/interactions/{interaction['id']}/result"
    response = await client.post(path, json=result)
    assert response.status_code == 200, response.text
    completed: dict[str, Any] = response.json()
    return completed


async def step(
    client: httpx.AsyncClient, session: str, result: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Asks for a command and answers it; returns the step's name and the outcome."""
    interaction = await ask(client, session)
    return interaction["step_name"], await answer(client, session, interaction, result)


async def go_to(client: httpx.AsyncClient, session: str, wanted: str) -> dict[str, Any]:
    """Answers ok until the command of the step is pending, except where a failure leads to a
    repair."""
    for _ in range(10):
        interaction = await ask(client, session)
        if interaction["step_name"] == wanted:
            return interaction
        leads_to_repair = "Fix" in wanted or "Revise" in wanted
        is_check = interaction["step_name"].startswith(("Run", "Validate"))
        status = "error" if leads_to_repair and is_check else "ok"
        await answer(client, session, interaction, {"status": status})
    raise AssertionError(f"never came to {wanted}")
