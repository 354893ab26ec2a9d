"""A folder that changes as a whole: whoever reads it finds the old state or the new one, never both.

The folder is a link to one of its states, which lie beside it under hidden names. A new state is written
aside, taking what did not change from the old one by hard links, and then the link is renamed over the
old. A process that is killed leaves a state that nobody refers to; the next one removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.utils.translation import gettext as _

from datasync_app.errors import ExportRefused


class Folder:
    """`path` is what people name. It need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._states = f".{path.name}.state-"

    @property
    def current(self) -> Path | None:
        """The state that readers see, or None before the first export."""
        return self.path.parent / self.path.readlink() if self.path.is_symlink() else None

    @contextmanager
    def rewritten(self) -> Iterator[Path]:
        """Write a new state into the folder that is given; it is what readers see from the end on.

        Raises:
            ExportRefused: another export writes it, what is there is not an export's, or the disk is full.
        """
        self._refuse_what_is_not_ours()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ExportRefused(_cannot_write(self.path, error)) from None
        with self._lock():
            self._sweep()
            aside = self.path.parent / f"{self._states}{uuid.uuid4().hex}"
            try:
                aside.mkdir()
                yield aside
                self._publish(aside)
            except BaseException as error:
                shutil.rmtree(aside, ignore_errors=True)
                if isinstance(error, OSError):
                    raise ExportRefused(_cannot_write(self.path, error)) from error
                raise

    def _publish(self, aside: Path) -> None:
        os.sync()  # what the link will lead to is on the disk before the link is
        link = self.path.parent / f"{self._states}link"
        link.unlink(missing_ok=True)
        link.symlink_to(aside.name)
        if self.path.is_dir() and not self.path.is_symlink():
            self.path.rmdir()  # an empty one
        link.replace(self.path)

    def _refuse_what_is_not_ours(self) -> None:
        if self.path.is_symlink():
            is_ours = self.path.readlink().name.startswith(self._states)
        elif self.path.is_dir():
            is_ours = not any(self.path.iterdir())
        else:
            is_ours = not self.path.exists()
        if not is_ours:
            said = _("%(path)s is there and no export made it: name a folder that is new or empty.")
            raise ExportRefused(said % {"path": self.path})

    def _sweep(self) -> None:
        """Remove the states nobody refers to. The one before stays until now, for slow readers."""
        for state in self.path.parent.glob(f"{self._states}*"):
            if state != self.current and not state.is_symlink():
                shutil.rmtree(state)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            file = (self.path.parent / f".{self.path.name}.lock").open("w")
        except OSError as error:
            raise ExportRefused(_cannot_write(self.path, error)) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                said = _("Another export is writing %(path)s; wait until it has ended.")
                raise ExportRefused(said % {"path": self.path}) from None
            yield


def keep(old: Path, new: Path) -> None:
    """Have a file of the old state in the new one: by a hard link, or a copy where there are none."""
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(old, new)
    except OSError:
        shutil.copy2(old, new)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Write a single file aside; at the end it is renamed over `path`."""
    aside = path.parent / f".{path.name}.{uuid.uuid4().hex}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield aside
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise ExportRefused(_cannot_write(path, error)) from None


def _cannot_write(path: Path, error: OSError) -> str:
    told = {"path": path, "why": error.strerror}
    return _("%(path)s cannot be written: %(why)s.") % told
