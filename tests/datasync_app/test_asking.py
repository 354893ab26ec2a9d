"""Only a person who says yes has said yes."""

from __future__ import annotations

import pytest

from datasync_app.asking import confirm


@pytest.mark.parametrize(("answer", "meant"), [("y", True), (" Yes ", True), ("", False)])
def test_it_takes_a_yes(answer: str, meant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda question: answer)
    assert confirm("Really?") is meant


@pytest.mark.parametrize("end", [EOFError, KeyboardInterrupt])
def test_it_takes_silence_and_ctrl_c_for_no(
    end: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(question: str) -> str:
        raise end

    monkeypatch.setattr("builtins.input", nobody)
    assert confirm("Really?") is False
