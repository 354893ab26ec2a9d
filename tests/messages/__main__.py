"""Refresh and compile the catalogues: `make messages`. Tells what is left to translate."""

from __future__ import annotations

import os
import sys

import django

from tests.messages.catalogues import as_mo, as_po, faults, po_of, refreshed
from tests.messages.extraction import APPS


def main() -> None:
    left = 0
    for app in APPS:
        catalogue = refreshed(app)
        path = po_of(app)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_po(catalogue))
        path.with_suffix(".mo").write_bytes(as_mo(catalogue))
        for message in catalogue:
            if message.id and (fault := faults(message)):
                left += 1
                sys.stdout.write(f"{app}: {message.id!r}: {fault}\n")
        sys.stdout.write(f"{path}: {len(catalogue)} messages\n")
    if left:
        sys.exit(f"{left} messages are left to translate.")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stocksync.settings")
    django.setup()
    main()
