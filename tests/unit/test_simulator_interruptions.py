"""A simulated machine that is told to stop stops, whatever comes at that moment."""

import asyncio

import pytest

from simulator.interruptions import Interruptions


def test_what_comes_is_told_in_its_order_and_nothing_after_its_time():
    async def told():
        interruptions = Interruptions()
        interruptions.put_nowait("first")
        interruptions.put_nowait("second")
        return [await interruptions.within(seconds) for seconds in (5, 0, 0)]

    assert asyncio.run(told()) == ["first", "second", None]


@pytest.mark.parametrize("turns", range(4))
def test_it_is_cancelled_also_when_something_comes_at_that_moment(turns):
    async def told():
        interruptions = Interruptions()

        async def work():
            while True:
                await interruptions.within(60)

        machine = asyncio.ensure_future(work())
        await asyncio.sleep(0.01)
        interruptions.put_nowait("stop")
        for _turn in range(turns):
            await asyncio.sleep(0)
        machine.cancel()
        await asyncio.wait([machine], timeout=5)
        return machine.cancelled()

    assert asyncio.run(told())
