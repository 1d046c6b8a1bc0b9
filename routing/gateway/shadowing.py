"""Copies of live requests for a policy's candidates: made after the answer, never waited for, not counted as demand."""

from __future__ import annotations

import asyncio
import logging

from netra.errors import NetraError
from projects.workloads import Purpose
from routing import execution, observation
from routing.calls import ModelCall
from routing.gateway.planning import Plan

log = logging.getLogger("netra.gateway")
# Past this many copies under way, a request is not copied: shadows must not become a load of their own.
MOST_AT_ONCE = 64
_under_way: set[asyncio.Task[None]] = set()


def copy(plan: Plan) -> None:
    """Send the request to each shadow of its policy's choice, in the background."""
    for name in plan.choice.shadows if plan.choice else ():
        if len(_under_way) >= MOST_AT_ONCE:
            return
        task = asyncio.create_task(_copied(plan, name))
        _under_way.add(task)
        task.add_done_callback(_under_way.discard)


async def _copied(plan: Plan, option: str) -> None:
    try:
        target = await plan.tenant.target(option)
        request = {name: value for name, value in plan.asked.body.items() if name not in ("model", "stream_options")}
        call = ModelCall(
            project_id=plan.tenant.project_id,
            option=target,
            request={**request, "stream": False},
            purpose=Purpose.REPLAY,
            call_key=f"{plan.call_id}-{option}",
            max_attempts=1,
            metadata={"shadow_of": plan.call_id, "policy": plan.policy.name if plan.policy else ""},
        )
        outcome = await execution.run(call)
        await asyncio.to_thread(observation.record, plan.tenant.project_id, call, outcome)
    except NetraError as problem:
        log.warning("A shadow of %s could not be made: %s", plan.call_id, problem)
    except Exception:
        log.exception("A shadow of %s failed.", plan.call_id)
