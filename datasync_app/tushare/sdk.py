"""The client that people know from Tushare's documentation, on our transport.

`tushare` imports pandas and much else, which takes most of a second: import this module only where
calls are made.
"""

from __future__ import annotations

import abc
import datetime as dt
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tushare.pro.client import DataApi

from datasync_app.tushare.limits import fingerprint
from datasync_app.tushare.outcomes import Answer, AnswerKind
from datasync_app.tushare.transport import Transport, utc_now
from datasync_app.tushare.wire import Call, Reply

if TYPE_CHECKING:
    import pandas as pd


logger = logging.getLogger(__name__)


class ConnectedDataApi(DataApi, abc.ABC):  # type: ignore[misc] # the SDK has no types
    """The SDK's `DataApi` with kept-open connections, its own base URL and a total deadline.

    The original answers HTTP errors with an empty DataFrame and sends the token in clear to its
    default address; none of its own requests are made here.
    """

    def __init__(
        self,
        token: str,
        base_url: str,
        *,
        call_timeout: float = 30.0,
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        super().__init__(token, timeout=call_timeout)
        self._DataApi__http_url = base_url.rstrip("/")
        self._transport = Transport(base_url, call_timeout=call_timeout, now=now)

    @property
    def base_url(self) -> str:
        return self._transport.base_url

    @property
    def token_fingerprint(self) -> str:
        """Names the token without telling it."""
        return fingerprint(self._DataApi__token)

    @abc.abstractmethod
    def fetch(self, api_name: str, params: Mapping[str, object], fields: Sequence[str]) -> Answer:
        """One call, under the quota, in one typed outcome."""

    def query(self, api_name: str, fields: str = "", **kwargs: Any) -> pd.DataFrame:
        """As the SDK's: a DataFrame, without `fields` of the source's default columns.

        One that the source cut short is logged, and marked in its `attrs["kind"]`.
        """
        import pandas as pd

        names = [name.strip() for name in fields.split(",") if name.strip()]
        answer = self.fetch(api_name, kwargs, names)
        frame = pd.DataFrame(answer.items, columns=list(answer.fields))
        frame.attrs["kind"] = answer.kind.value
        if answer.kind is AnswerKind.TRUNCATED:
            logger.warning("action=query api_name=%s rows=%s truncated=yes", api_name, len(frame))
        return frame

    def close(self) -> None:
        """Close the connections; calls under way end at once, and later ones are not made."""
        self._transport.close()

    def _post(self, call: Call) -> Reply:
        token = self._DataApi__token
        params = dict(call.params)
        if call.api_name == "user":  # the one endpoint that takes the token as a parameter too
            params["token"] = token
        payload = {
            "api_name": call.api_name,
            "token": token,
            "params": params,
            "fields": ",".join(call.fields),
        }
        return self._transport.post(call, payload, token=token)

    def __getattr__(self, name: str) -> Any:
        """`client.daily(...)` is `client.query("daily", ...)`; private names are no endpoints."""
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        return partial(self.query, name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url} token {self.token_fingerprint}>"

    def __reduce__(self) -> Any:
        raise TypeError(f"A {type(self).__name__} holds a token and is never stored.")
