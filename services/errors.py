"""The tree of errors. An error is an instruction to whoever catches it.

    RapportError
    ├── Rejected       this input is wrong and stays wrong: keep it with its reason, go on
    ├── Retry          the world is not ready (a full disk, a peer away): back off, try again
    ├── Fenced         somebody else writes this state now: drop the caches, load again
    └── ConfigError    a file of the configuration folder is wrong: say file, line and what was expected

Anything else is a bug: it stops the worker loudly.
"""


class RapportError(Exception):
    """Every error that Rapport raises on purpose."""


class Rejected(RapportError):
    """An input that can never be accepted as it is.

    `code` is stable and machine-readable; `field` is a dotted path into the input ("traits.email");
    `hint` says what would be right ("did you mean `userId`?").
    """

    def __init__(self, code: str, reason: str, field: str = "", expected: str = "", got: str = "", hint: str = ""):
        super().__init__(reason)
        self.code, self.reason, self.field = code, reason, field
        self.expected, self.got, self.hint = expected, got, hint


class Retry(RapportError):
    """Not now. `after` is the least number of seconds to wait before the next try."""

    def __init__(self, reason: str, after: float = 1.0):
        super().__init__(reason)
        self.after = after


class Fenced(RapportError):
    """The state's token is no longer ours: another worker has written since we loaded."""


class ConfigError(RapportError):
    """A configuration file is wrong. `problems` are complete sentences: file, line, what was expected."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems
