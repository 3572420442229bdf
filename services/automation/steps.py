"""What a rule does: its steps as they stand in the file. One e-mail or one webhook call each."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.automation.templates import parse
from services.errors import Rejected

_HEADER = re.compile(r"(List-Unsubscribe|List-Unsubscribe-Post|List-Id|Reply-To|X-[A-Za-z0-9-]{1,60})\Z")


def _checked(source: str, html: bool = False) -> str:
    try:
        parse(source, "", html)
    except Rejected as wrong:
        raise ValueError(wrong.reason.removeprefix("template : ")) from None
    return source


def _headers(headers: dict[str, Any]) -> dict[str, Any]:
    for name in headers:
        if not _HEADER.match(name):
            raise ValueError(f"`{name}` cannot be set; possible are List-…, Reply-To and X-… headers")
    return headers


Template = Annotated[str, AfterValidator(_checked), Field(max_length=64 * 1024)]
HtmlTemplate = Annotated[str, AfterValidator(lambda source: _checked(source, html=True)), Field(max_length=64 * 1024)]
Consent = Literal["required", "unless_denied"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class EmailStep(_Strict):
    """An e-mail to the person. The texts are Liquid templates; see `templates.ROOTS` for what they can use.

    Without `to` it goes to the person's e-mail address. `consent` is `required` when nothing is said: only people who
    said yes to e-mail are written to. `unless_denied` is for what a customer expects anyway, such as a receipt.
    """

    sender: str = Field(alias="from", min_length=3, max_length=320)
    to: Template | None = None
    subject: Template
    text: Template | None = None
    html: HtmlTemplate | None = None
    text_file: str | None = None
    html_file: str | None = None
    headers: Annotated[dict[str, Template], AfterValidator(_headers)] = Field({}, max_length=20)
    consent: Consent = "required"

    @model_validator(mode="after")
    def _says_something(self) -> "EmailStep":
        if self.text is not None and self.text_file is not None:
            raise ValueError("give `text` or `text_file`, not both")
        if self.html is not None and self.html_file is not None:
            raise ValueError("give `html` or `html_file`, not both")
        if not any((self.text, self.html, self.text_file, self.html_file)):
            raise ValueError("an e-mail needs `text` or `html` (or a file of either)")
        return self

    def with_files(self, read: Callable[[str], str]) -> "EmailStep":
        """The step with the texts of its files in their place."""
        content = self.model_dump(by_alias=True)
        for part in ("text", "html"):
            if file := content.pop(f"{part}_file"):
                content[part] = read(file)
        return EmailStep.model_validate(content)


class WebhookStep(_Strict):
    """A signed call of another system (Standard Webhooks). It is not a message to the person: no consent is asked.

    `data` replaces the profile and the touchpoint in the body with texts of its own, each a Liquid template.
    `secret_env` names the environment variable that holds the secret ("whsec_" and base64). `url_env` names one that
    holds the URL, for a URL that is a secret itself or differs between test and production.
    """

    url: str | None = Field(None, pattern=r"^https?://[^\s/?#@]+([/?#]\S*)?$", max_length=2_000)
    url_env: str | None = Field(None, pattern=r"^[A-Z][A-Z0-9_]*$", max_length=100)
    secret_env: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$", max_length=100)
    type: str | None = Field(None, pattern=r"^[A-Za-z0-9_.]+$", max_length=100)
    data: dict[str, Template] = Field({}, max_length=50)

    @model_validator(mode="after")
    def _goes_somewhere(self) -> "WebhookStep":
        if (self.url is None) == (self.url_env is None):
            raise ValueError("a webhook needs one of `url` and `url_env`")
        return self


class Step(_Strict):
    """One thing that a rule does: `email:` or `webhook:`."""

    email: EmailStep | None = None
    webhook: WebhookStep | None = None

    @model_validator(mode="after")
    def _one(self) -> "Step":
        if (self.email is None) == (self.webhook is None):
            raise ValueError("a step is one of `email` and `webhook`")
        return self

    @property
    def kind(self) -> str:
        """ "email" or "webhook"."""
        return "email" if self.email else "webhook"

    @property
    def variables(self) -> frozenset[str]:
        """The environment variables without which it cannot be done."""
        named = (self.webhook.url_env, self.webhook.secret_env) if self.webhook else ()
        return frozenset(name for name in named if name)

    def with_files(self, read: Callable[[str], str]) -> "Step":
        """The step with the texts of its files in their place."""
        return Step(email=self.email.with_files(read)) if self.email else self
