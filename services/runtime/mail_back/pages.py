"""The few words that somebody reads who wants no more e-mail, in English and Chinese. Nothing is loaded."""

_WORDS = {
    "en": {
        "title": "E-mail",
        "question": "Do you want no more of these e-mails?",
        "yes": "Unsubscribe",
        "all": "Unsubscribe from all e-mail",
        "done": "You are unsubscribed. It counts from now on.",
        "unknown": "This link is not one of ours, or it is incomplete. Please use the link in the e-mail itself.",
    },
    "zh": {
        "title": "电子邮件",
        "question": "您不想再收到这类邮件吗？",  # noqa: RUF001
        "yes": "退订",
        "all": "退订所有邮件",
        "done": "您已退订，立即生效。",  # noqa: RUF001
        "unknown": "此链接无效或不完整。请使用邮件中的链接。",
    },
}
_PAGE = (
    '<!doctype html><html lang="{language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>{title}</title><style>body{{font:1.1em system-ui;max-width:32em;margin:4em auto;padding:0 1em}}"
    "button{{font:inherit;padding:.6em 1.2em;margin:.4em .4em .4em 0}}</style><p>{text}</p>{form}</html>"
)
_BUTTON = '<form method="post" action="{action}"><button>{label}</button></form>'


def question(language: str, purpose: bool) -> str:
    """The page with the button; with a second one for all e-mail where this one is of a purpose."""
    words = _WORDS[language]
    form = _BUTTON.format(action="", label=words["yes"])
    if purpose:
        form += _BUTTON.format(action="?all=1", label=words["all"])
    return _page(language, words["question"], form)


def done(language: str) -> str:
    """The page after it."""
    return _page(language, _WORDS[language]["done"])


def unknown(language: str) -> str:
    """The page of a link that says nothing."""
    return _page(language, _WORDS[language]["unknown"])


def _page(language: str, text: str, form: str = "") -> str:
    return _PAGE.format(language=language, title=_WORDS[language]["title"], text=text, form=form)
