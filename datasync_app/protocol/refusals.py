"""How Tushare refuses a call. The texts and codes are recorded ones."""

from __future__ import annotations

from datasync_app.errors import DatasyncError

_MORE = "https://tushare.pro/document/1?doc_id=108。"


class Refusal(DatasyncError):
    """A call that is answered with a code other than 0. `reason` is our word for it."""

    def __init__(self, code: int, text: str, reason: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.reason = reason


def bad_token() -> Refusal:
    return Refusal(40101, "您的token不对，请确认。", "token")


def rate_exceeded(api_name: str, calls: int, unit: str) -> Refusal:
    text = f"抱歉，您访问接口({api_name})频率超限({calls}次/{unit})，具体频次详情：{_MORE}"
    return Refusal(40203, text, "rate")


def rate_exceeded_formerly(calls: int, unit: str) -> Refusal:
    """The wording to 2025. It names 权限 too, and no endpoint."""
    text = f"抱歉，您每{unit}最多访问该接口{calls}次，权限的具体详情访问：{_MORE}"
    return Refusal(40203, text, "rate")


def no_permission(api_name: str = "") -> Refusal:
    """Both wordings are recorded: with the endpoint in brackets, and without."""
    named = f"({api_name})" if api_name else ""
    text = f"抱歉，您没有接口{named}访问权限，权限的具体详情访问：{_MORE}"
    return Refusal(40203, text, "permission")


def no_permission_formerly() -> Refusal:
    """The wording to 2020."""
    text = f"抱歉，您没有访问该接口的权限，权限的具体详情访问：{_MORE}"
    return Refusal(2002, text, "permission")


def too_many_addresses() -> Refusal:
    return Refusal(40204, "您的IP数量超限，最大数量为2个！", "ip")


def server_error() -> Refusal:
    text = "服务器错误，请稍后再试！期待您能把错误反馈给我们，谢谢！"
    # The text is recorded, its code is not.
    return Refusal(-1, text, "server")


def missing_parameter(*names: str) -> Refusal:
    text = f"参数校验失败, {','.join(names)}至少输入一个参数"
    return Refusal(50101, text, "parameter")


def bad_parameter() -> Refusal:
    return Refusal(50101, "查询数据失败，请确认参数！可以反馈管理员协助您排查问题", "parameter")


def unknown_endpoint() -> Refusal:
    return Refusal(40101, "请指定正确的接口名", "endpoint")
