"""A whole request that is refused: there is no verdict per item, and nothing was kept."""


class Refusal(Exception):
    """`status` is the HTTP status, `code` a stable name for programs, the message is for people.

    `retry_after` is in whole seconds; 0 when sending the same again would not help.
    """

    def __init__(self, status: int, code: str, message: str, retry_after: int = 0):
        super().__init__(message)
        self.status, self.code, self.retry_after = status, code, retry_after
