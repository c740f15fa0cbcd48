"""What comes between a simulated machine and its work, in the order in which it comes."""

import asyncio


class Interruptions(asyncio.Queue):
    """Things that a machine is to do between two cycles, each ``(method, its parameters)``."""

    async def within(self, seconds):
        """Return what comes within so many seconds, or None.

        ``asyncio.wait_for`` is not enough: before Python 3.12 it forgets that its task was cancelled when something
        came at the same moment, and a machine that is told to stop then goes on for ever.
        """
        coming = asyncio.ensure_future(self.get())
        try:
            came, _coming = await asyncio.wait([coming], timeout=seconds)
            return coming.result() if came else None
        finally:
            coming.cancel()
