"""Everything Netra refuses or fails at, as one small tree.

NetraError
├── Invalid          400  the request is malformed; `field` says where
├── Unauthorized     401  nobody known, or a key that is not in use
├── BudgetExhausted  402  the next call could pass the money cap
├── Forbidden        403  may be seen, not changed
├── NotFound         404  not there, or not yours
├── Conflict         409  it is already so, or no longer possible
├── TooLarge         413  past a stated limit
├── Busy             429  come again after `retry_after_s`
├── ProviderFailed   502  a model provider answered with an error, or not at all
├── SourceFailed     424  a log's vendor answered with an error, or not at all
└── Unavailable      503  a store or service of ours is down
"""

from __future__ import annotations


class NetraError(Exception):
    """One sentence for the person, an HTTP status, and whether trying again can help."""

    status = 500
    code = "error"
    retry = False

    def __init__(self, sentence: str, *, code: str | None = None) -> None:
        super().__init__(sentence)
        self.code = code or type(self).code


class Invalid(NetraError):
    status, code = 400, "invalid"

    def __init__(self, sentence: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(sentence, code=code)
        self.field = field


class Unauthorized(NetraError):
    status, code = 401, "unauthorized"


class BudgetExhausted(NetraError):
    status, code = 402, "budget_exhausted"


class Forbidden(NetraError):
    status, code = 403, "forbidden"


class NotFound(NetraError):
    status, code = 404, "not_found"


class Conflict(NetraError):
    status, code = 409, "conflict"


class TooLarge(NetraError):
    status, code = 413, "too_large"


class Busy(NetraError):
    status, code, retry = 429, "busy", True

    def __init__(self, sentence: str, *, retry_after_s: float = 1.0, code: str | None = None) -> None:
        super().__init__(sentence, code=code)
        self.retry_after_s = retry_after_s


class ProviderFailed(NetraError):
    """`paid` is False when surely nothing was charged, None when that cannot be known."""

    status, code = 502, "provider_failed"

    def __init__(
        self,
        sentence: str,
        *,
        http_status: int | None = None,
        retry: bool = False,
        retry_after_s: float | None = None,
        paid: bool | None = False,
        code: str | None = None,
    ) -> None:
        super().__init__(sentence, code=code)
        self.http_status = http_status
        self.retry = retry
        self.retry_after_s = retry_after_s
        self.paid = paid


class SourceFailed(NetraError):
    """The sentence holds the vendor's own words. `is_too_wide`: asking for less at a time may help."""

    status, code = 424, "source_failed"

    def __init__(
        self,
        sentence: str,
        *,
        http_status: int | None = None,
        retry: bool = False,
        retry_after_s: float | None = None,
        is_too_wide: bool = False,
        code: str | None = None,
    ) -> None:
        super().__init__(sentence, code=code)
        self.http_status = http_status
        self.retry = retry
        self.retry_after_s = retry_after_s
        self.is_too_wide = is_too_wide


class Unavailable(NetraError):
    status, code, retry = 503, "unavailable", True
