"""From a decided action to what will be sent, as data."""

from schemas.fast import Action, Profile
from services.automation.actions import email, slack, sms, task, webhook
from services.automation.actions.email import Email
from services.automation.actions.slack import SlackMessage
from services.automation.actions.sms import Sms
from services.automation.actions.webhook import WebhookCall
from services.automation.links import Links, back
from services.automation.steps import Step
from services.automation.values import iso, values

Made = Email | Sms | WebhookCall | SlackMessage


def make(
    step: Step, action: Action, profile: Profile, now: int, links: Links | None = None, account: Profile | None = None
) -> Made:
    """What this step sends to (or tells about) this person. A pure function: `now` (epoch ms) is an input. `links` make
    the ways back from an e-mail, `account` is the one that the person acts for.

    Raises Rejected when it can never be made as it is: a template fails, no address is known.
    """
    known = values(action, profile, now, account)
    name = f"of rule {action.rule}, step {action.step + 1}"
    if step.email:
        return email.make(step.email, action.key, name, known, now, back(links, action, step.email.purpose or ""))
    if step.sms:
        return sms.make(step.sms, name, known)
    if step.slack:
        return slack.make(step.slack, name, known)
    if step.task:
        return task.make(step.task, action.key, name, known, action.decided_at)
    assert step.webhook is not None
    return webhook.make(step.webhook, action.key, name, known, str(iso(action.decided_at)))
