"""How are many devices read at once, so that a dead one costs nobody but itself?

A bounded pool of threads above the drivers. One endpoint is served by one thread at a time; jobs that share it wait
their turn on its lane; a job whose predecessor has not ended is refused, so that no backlog can grow. Drivers stay
open between two reads and are closed after each failure.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from . import clock
from .drivers import driver_class
from .errors import ConnectionFailed, DriverUnavailable

_logger = logging.getLogger(__name__)

#: A thread that has not come back after so many deadlines is given up; its lane gets another one.
ABANDON_AFTER = 10


@dataclass(frozen=True)
class PollJob:
    """One connection to read once.

    :param key: what the outcome is told for: the connection
    :param str protocol: a key of ``DRIVERS``
    :param options: settings for the driver
    :param signals: tuple of SignalAddress
    :param float deadline: seconds after which the job counts as failed whatever its thread does
    :param secrets: for the driver only; not part of the repr
    """

    key: Hashable
    protocol: str
    options: Mapping
    signals: tuple
    deadline: float = 10.0
    secrets: Mapping = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class PollOutcome:
    """What became of a job: readings, or the code of what failed.

    :param readings: list of Reading in the order of the job's signals, or None
    :param str code: why there are none, from ``errors.CODES``; empty when there are
    :param datetime started: aware, UTC
    :param float seconds: how long it took
    """

    job: PollJob
    readings: list | None
    code: str
    params: dict
    started: datetime
    seconds: float

    @property
    def key(self):
        return self.job.key


class _Pool:
    """Some threads and the work that waits for them.

    :param int threads: at most
    """

    def __init__(self, threads):
        self.threads = threads
        self.work = queue.SimpleQueue()
        self.running = 0
        # Threads without work less jobs without a thread: below 0 when jobs wait for the pool.
        self.idle = 0


class _Lane:
    """One endpoint: the driver that holds it open, the job in flight, the jobs that wait."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.pool = None
        self.driver = None
        self.transport = None
        self.job = None
        self.started = None
        self.began = 0.0
        self.answered = False
        self.leaving = False
        self.abandoned = False
        self.waiting = deque()


class PollEngine:
    """Reads jobs in parallel.

    Devices that gave nothing good the last time are asked by a smaller pool of their own: while they keep its threads
    waiting for their time-outs, those of the others are free.

    :param int threads: how many devices are asked at the same time, at most
    """

    def __init__(self, threads=16):
        self._sound, self._doubtful = _Pool(threads), _Pool(max(1, threads // 4))
        self._in_doubt = set()
        self._outcomes = queue.SimpleQueue()
        self._lanes = {}
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, job):
        """Take a job; return False when the one before of the same key has not ended, and then nothing is done."""
        endpoint = driver_class(job.protocol).endpoint(job.options)
        with self._lock:
            if self._closed:
                return False
            lane = self._lanes.get(endpoint)
            if lane is None:
                lane = self._lanes[endpoint] = _Lane(endpoint)
            if lane.job is None:
                self._dispatch(lane, job)
            elif lane.job.key == job.key or any(waiting.key == job.key for waiting in lane.waiting):
                return False
            else:
                lane.waiting.append(job)
        return True

    def doubt(self, endpoint):
        """Say that a device gave nothing good the last time, as another engine found out: it keeps no sound thread waiting."""
        with self._lock:
            self._in_doubt.add(endpoint)

    def completed(self, timeout=0.0):
        """Return the outcomes that are there, waiting at most ``timeout`` seconds for the first."""
        outcomes = []
        try:
            outcomes.append(self._outcomes.get(timeout=timeout) if timeout else self._outcomes.get_nowait())
            while True:
                outcomes.append(self._outcomes.get_nowait())
        except queue.Empty:
            pass
        return outcomes + self._overdue()

    def busy(self):
        """Return the number of jobs under way or waiting."""
        with self._lock:
            return sum(
                (lane.job is not None and not lane.answered) + len(lane.waiting) for lane in self._lanes.values()
            )

    def is_reading(self, endpoint):
        """Return whether somebody talks to an endpoint just now."""
        with self._lock:
            lane = self._lanes.get(endpoint)
            return lane is not None and lane.job is not None

    def release(self, endpoint):
        """Hang up an endpoint that is not ours any more; one that is being read hangs up when its read ends."""
        with self._lock:
            self._in_doubt.discard(endpoint)
            lane = self._lanes.get(endpoint)
            if lane is None:
                return
            lane.waiting.clear()
            if lane.job is not None:
                # The lane stays until then, so that a new job waits for its turn and never calls a second time.
                lane.leaving = True
                return
            del self._lanes[endpoint]
        _hang_up(lane.driver)

    def close(self):
        """Hang up everything; threads that are reading end with their read."""
        with self._lock:
            self._closed = True
            endpoints = list(self._lanes)
        for endpoint in endpoints:
            self.release(endpoint)
        for pool in (self._sound, self._doubtful):
            for _thread in range(pool.running):
                pool.work.put(None)

    def _dispatch(self, lane, job):
        """Hand a job to a thread; the lock is held."""
        lane.job, lane.answered = job, False
        # Not begun before a thread has it: waiting for the pool is not the device's fault.
        lane.started, lane.began = clock.now(), float("inf")
        pool = lane.pool = self._doubtful if lane.endpoint in self._in_doubt else self._sound
        pool.idle -= 1
        self._hire(pool)
        pool.work.put((lane, job))

    def _hire(self, pool):
        """Start a thread if a job has none and one more is allowed; the lock is held."""
        if pool.idle < 0 and pool.running < pool.threads:
            pool.idle += 1
            pool.running += 1
            threading.Thread(target=self._run, args=(pool,), name="machine-poll", daemon=True).start()

    def _run(self, pool):
        while True:
            task = pool.work.get()
            if task is None:
                return
            lane, job = task
            lane.started, lane.began = clock.now(), time.monotonic()
            outcome = None if lane.leaving else self._read(lane, job)
            while (driver := self._done(lane, outcome)) is not None:
                _hang_up(driver)
            if lane.abandoned:
                return

    def _done(self, lane, outcome):
        """Free a lane after its read, unless there is a driver to hang up before: then return that."""
        with self._lock:
            if (lane.leaving or lane.abandoned) and lane.driver is not None:
                driver, lane.driver = lane.driver, None
                return driver
            if lane.abandoned:
                return None
            if outcome is not None and not lane.answered:
                self._outcomes.put(outcome)
            if outcome is not None:
                self._judge(lane, outcome)
            pool = lane.pool
            lane.job, lane.leaving = None, False
            if lane.waiting:
                self._dispatch(lane, lane.waiting.popleft())
            elif lane.driver is None:
                del self._lanes[lane.endpoint]
            pool.idle += 1
            return None

    def _judge(self, lane, outcome):
        """Decide which pool asks this device the next time; the lock is held."""
        if outcome.readings is not None and (not outcome.readings or any(r.is_good for r in outcome.readings)):
            self._in_doubt.discard(lane.endpoint)
        else:
            self._in_doubt.add(lane.endpoint)

    def _read(self, lane, job):
        """Read one job by the lane's driver. What a driver raises without being allowed to is told as ``internal``."""
        started, began = clock.now(), time.monotonic()
        readings, code, params = None, "", {}
        try:
            driver = self._driver(lane, job)
            readings = driver.read(job.signals)
        except (ConnectionFailed, DriverUnavailable) as error:
            code, params = error.code, dict(error.params)
        except Exception as error:  # a driver's bug must not end the polling of the others
            _logger.exception("driver %s failed", job.protocol)
            code, params = "internal", {"error": type(error).__name__}
        if code:
            driver, lane.driver = lane.driver, None
            _hang_up(driver)
        return PollOutcome(job, readings, code, params, started, time.monotonic() - began)

    def _driver(self, lane, job):
        """Return the open driver for a job; one with other settings on the same endpoint is closed first."""
        protocol = driver_class(job.protocol)
        transport = (job.protocol, protocol.transport(job.options))
        if lane.driver is not None and lane.transport != transport:
            driver, lane.driver = lane.driver, None
            _hang_up(driver)
        if lane.driver is None:
            driver = protocol(job.options, job.secrets)
            driver.open()
            lane.driver, lane.transport = driver, transport
        return lane.driver

    def _overdue(self):
        """Return a failed outcome for each job past its deadline, once; give up threads that never come back."""
        now = time.monotonic()
        outcomes = []
        with self._lock:
            for lane in list(self._lanes.values()):
                if lane.job is None:
                    continue
                if not lane.answered and now - lane.began > lane.job.deadline:
                    lane.answered = True
                    outcomes.append(
                        PollOutcome(
                            lane.job, None, "deadline", {"seconds": lane.job.deadline}, lane.started, now - lane.began
                        )
                    )
                elif lane.answered and now - lane.began > ABANDON_AFTER * lane.job.deadline:
                    self._abandon(lane)
        return outcomes

    def _abandon(self, lane):
        """Give up the thread of a lane and whatever it may still do there; the lock is held."""
        _logger.warning("a read of %s never came back; it is given up", lane.endpoint)
        lane.abandoned = True
        del self._lanes[lane.endpoint]
        self._in_doubt.add(lane.endpoint)
        lane.pool.running -= 1
        self._hire(lane.pool)
        if lane.waiting:
            fresh = self._lanes[lane.endpoint] = _Lane(lane.endpoint)
            fresh.waiting = lane.waiting
            self._dispatch(fresh, fresh.waiting.popleft())


def _hang_up(driver):
    if driver is None:
        return
    try:
        driver.close()
    except Exception:  # what cannot be closed is closed enough
        _logger.debug("closing failed", exc_info=True)
