"""Names of a run: ids that the run's id and the seed give, so that two runs of one seed never meet in a store."""

from __future__ import annotations

import hashlib
import uuid


class Ids:
    """The ids of one load. `of_run` comes before the first of them."""

    def __init__(self, profile: str, seed: int) -> None:
        self._profile = profile
        self._seed = seed
        self._run_id = ""
        self._count = 0
        self.tag = ""  # eight hex digits that stand for the run in names

    def of_run(self, op_id: str) -> None:
        """Take the run from an operation's id, once."""
        if not self._run_id:
            self._run_id = op_id.rpartition("-")[0]
            self.tag = hashlib.blake2b(self._run_id.encode(), digest_size=4).hexdigest()

    def new(self) -> str:
        """The next UUID."""
        self._count += 1
        seeded = f"{self._run_id}/{self._profile}/{self._seed}/{self._count}".encode()
        return str(uuid.UUID(bytes=hashlib.blake2b(seeded, digest_size=16).digest(), version=4))
