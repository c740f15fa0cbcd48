"""How are several programs run side by side, and ended together?"""

import signal
import subprocess
import time

from . import environment
from .environment import ROOT, Problem, say


class Child:
    """A program that runs until we end it, with its output in a log.

    :param str name: what a person calls it
    :param list command: program and arguments
    :param dict variables: its environment
    """

    def __init__(self, name, command, variables):
        self.name = name
        self.log = environment.log_file(environment.safe_name(name))
        with open(self.log, "wb") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                cwd=ROOT,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches only us; we end the others in their order
                preexec_fn=environment.die_with_parent,
            )

    def check(self):
        """Raise if it has ended by itself."""
        code = self._process.poll()
        if code is not None:
            path = self.log.relative_to(ROOT)
            raise Problem(f"{self.name} ended by itself (exit code {code}). The end of {path}:\n{self.tail()}")

    def tail(self):
        return environment.tail(self.log)

    def wait(self):
        """Stay until it has ended by itself."""
        self._process.wait()

    def stop(self, seconds=20):
        """Ask it to end, and insist after some seconds."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            say(f"{self.name} does not end by itself and is killed")
            self._process.kill()
            self._process.wait()


class Family:
    """Children that live and end together; the last one started is the first one stopped."""

    def __init__(self):
        self._children = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for number in environment.ENDING:  # a second Ctrl-C must not leave half behind
            signal.signal(number, signal.SIG_IGN)
        for child in reversed(self._children):
            child.stop()

    def start(self, name, command, variables):
        child = Child(name, command, variables)
        self._children.append(child)
        return child

    def check(self):
        for child in self._children:
            child.check()

    def wait_until(self, happened, what, seconds):
        """Wait for something while all children live.

        :param happened: function that tells whether it did
        :param str what: for the person, should it not happen
        """
        deadline = time.monotonic() + seconds
        while not happened():
            self.check()
            if time.monotonic() > deadline:
                raise Problem(f"{what} after {seconds} s; see .odoo/log")
            time.sleep(0.1)

    def watch(self):
        """Stay until a child ends by itself, which is a problem, or somebody interrupts."""
        while True:
            self.check()
            time.sleep(0.5)
