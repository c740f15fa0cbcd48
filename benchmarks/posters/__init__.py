"""Posters, each in a process of its own as workers are, that empty the queue of a database together."""

import contextlib
import multiprocessing
import time


class Posters:
    """Processes that know the database already and wait for the word.

    :param str database: with events in its queue
    :param int number: how many
    """

    def __init__(self, database, number):
        context = multiprocessing.get_context("spawn")
        self._lines, self._processes = [], []
        for _index in range(number):
            ours, theirs = context.Pipe()
            process = context.Process(target=_poster, args=(theirs, database), daemon=True)
            process.start()
            self._lines.append(ours)
            self._processes.append(process)
        self._answers()

    def pids(self):
        """Return their process ids."""
        return [process.pid for process in self._processes]

    def post(self):
        """Have all post until the queue is empty, and return the seconds that the last of them took."""
        for line in self._lines:
            line.send("post")
        return max(self._answers())

    def close(self):
        """End them."""
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.send("end")
        for process in self._processes:
            process.join(30)

    def _answers(self):
        answers = [line.recv() for line in self._lines]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


def _poster(line, database):
    from benchmarks import harness

    try:
        with harness.odoo_environment(database) as env:
            registry, poster = env.registry, env["mrp.machine.poster"]
            poster._post_due(registry, 0.0)  # what is read once a process is read now
            env.cr.rollback()
            line.send(0.0)
            while line.recv() == "post":
                line.send(_post_all(registry, poster))
    except Exception as error:
        line.send(RuntimeError(f"a poster failed: {error!r}"))


def _post_all(registry, poster):
    began = time.perf_counter()
    while True:
        poster._post_due(registry, 600.0)
        with registry.cursor() as cr:
            cr.execute("SELECT count(*) FROM mrp_machine_queue")
            if not cr.fetchone()[0]:
                return time.perf_counter() - began
        time.sleep(0.01)  # what is left is in another's hands
