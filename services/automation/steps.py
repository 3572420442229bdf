"""What a rule does: its steps as they stand in the file. Each kind has its own file in services/automation/actions/."""

from collections.abc import Callable

from pydantic import model_validator

from services.automation.actions.email import EmailStep
from services.automation.actions.message import MessageStep
from services.automation.actions.slack import SlackStep
from services.automation.actions.sms import SmsStep
from services.automation.actions.task import TaskStep
from services.automation.actions.webhook import WebhookStep
from services.automation.fields import Strict

TO_THE_PERSON = frozenset({"email", "sms"})  # kinds that write to the person: consent, caps and quiet hours are theirs


class Step(Strict):
    """One thing that a rule does."""

    email: EmailStep | None = None
    sms: SmsStep | None = None
    webhook: WebhookStep | None = None
    slack: SlackStep | None = None
    task: TaskStep | None = None
    message: MessageStep | None = None

    @model_validator(mode="after")
    def _one(self) -> "Step":
        if sum(getattr(self, kind) is not None for kind in type(self).model_fields) != 1:
            raise ValueError("a step is one of `email`, `sms`, `webhook`, `slack`, `task` and `message`")
        return self

    @property
    def kind(self) -> str:
        """ "email", "sms", "webhook", "slack", "task" or "message"."""
        return next(kind for kind in type(self).model_fields if getattr(self, kind) is not None)

    @property
    def to_the_person(self) -> EmailStep | SmsStep | None:
        """What is written to the person, if that is what it does."""
        return self.email or self.sms

    @property
    def variables(self) -> frozenset[str]:
        """The environment variables without which it cannot be done."""
        step = getattr(self, self.kind)
        names = (getattr(step, name, None) for name in ("url_env", "secret_env", "account_env", "token_env"))
        return frozenset(name for name in names if name)

    def with_files(self, read: Callable[[str], str]) -> "Step":
        """The step with the texts of its files in their place."""
        return Step(email=self.email.with_files(read)) if self.email else self
