"""Something that a colleague shall do, for whatever system keeps such things: a signed webhook `task.created`.

    {"type": "task.created", "timestamp": "2026-03-04T05:06:07.000Z",
     "data": {"title": "Call Ann", "note": "…", "due_at": "2026-03-06T05:06:07.000Z", "owner": "sales@shop.example",
              "workspace": "main", "rule": "call_back", "audience": "", "profile": {…}, "touchpoint": {…}}}

`due_at` is null and `note` and `owner` are empty when the rule does not say. The header `webhook-id` names the task
once and for all: a receiver that has seen it has the task already.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from services.automation.actions.webhook import WebhookCall, body_of, webhook_id
from services.automation.fields import Duration, Strict, Template, Url, Variable
from services.automation.templates import render
from services.automation.values import iso
from services.conditions.durations import milliseconds
from services.errors import Rejected

LONGEST_TITLE = 500  # characters


class TaskStep(Strict):
    """A task. Title, note and owner are Liquid templates; `due` is how long after the decision it is due.
    `url` or `url_env`, and `secret_env`, are as for a webhook."""

    title: Template
    note: Template = ""
    due: Duration | None = None
    owner: Template = ""
    url: Url | None = None
    url_env: Variable | None = None
    secret_env: Variable

    @model_validator(mode="after")
    def _goes_somewhere(self) -> "TaskStep":
        if (self.url is None) == (self.url_env is None):
            raise ValueError("a task needs one of `url` and `url_env`")
        return self


def make(step: TaskStep, key: str, name: str, values: Mapping[str, Any], decided_at: int) -> WebhookCall:
    """The call that tells of the task. Raises Rejected: a template fails ("template"), the title is empty or the body
    too large ("too_large")."""
    title = " ".join(render(step.title, f"{name}, title", values).split())
    if not 1 <= len(title) <= LONGEST_TITLE:
        raise Rejected("too_large", f"{name}: the title has {len(title)} characters; 1 to {LONGEST_TITLE} are possible")
    data = {
        "title": title,
        "note": render(step.note, f"{name}, note", values),
        "due_at": iso(None if step.due is None else decided_at + milliseconds(step.due)),
        "owner": render(step.owner, f"{name}, owner", values).strip(),
    } | {part: values[part] for part in ("workspace", "rule", "audience", "profile", "touchpoint")}
    body = body_of("task.created", str(iso(decided_at)), data, name)
    return WebhookCall(step.url or "", webhook_id(key), body, step.secret_env, step.url_env or "")
