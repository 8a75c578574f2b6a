import os
import re
import signal
import subprocess
import sys
import unittest
from pathlib import Path

import headcount

from .stub import accepted, stub

ROOT = Path(__file__).resolve().parent.parent

QUEUE = """
import sys, time
from headcount import Headcount
analytics = Headcount(exit_timeout=float(sys.argv[1]))
for user in "abc":
    analytics.queue_event(user_id=user, session_id="s", event_type="page_view", metadata={"platform": "cli"})
"""


def run(program, answer=accepted, number=None, exit_timeout=30):
    """Runs a program that queues three events: its exit code, the users that the collector saw, and what it said."""
    with stub(answer) as server:
        env = {**os.environ, "HEADCOUNT_COLLECTOR_URL": server.url, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", QUEUE + program, str(exit_timeout)]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            if number is not None:
                child.stdout.readline()
                child.send_signal(number)
            _, said = child.communicate(timeout=60)
        users = "".join(one["userId"] for one in server.requests[-1].events) if server.requests else ""
        return child.returncode, users, said


class Exit(unittest.TestCase):
    def test_events_are_sent_when_the_process_ends(self):
        for program, code in (("", 0), ("sys.exit(7)", 7), ("raise ValueError", 1)):
            self.assertEqual(run(program)[:2], (code, "abc"), program)

    def test_a_signal_ends_the_process_after_the_events_are_sent(self):
        program = "print('ready', flush=True); time.sleep(60)"
        self.assertEqual(run(program, number=signal.SIGTERM)[:2], (128 + signal.SIGTERM, "abc"))
        code, users, _ = run(program, number=signal.SIGINT)
        self.assertNotEqual(code, 0)
        self.assertEqual(users, "abc")

    def test_a_signal_that_the_application_handles_is_left_alone(self):
        handler = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: (analytics.close(), sys.exit(5)))\n"
        code, users, _ = run(handler + "print('ready', flush=True); time.sleep(60)", number=signal.SIGTERM)
        self.assertEqual((code, users), (5, "abc"))

    def test_a_collector_that_is_away_delays_the_end_for_a_bounded_time(self):
        code, _, said = run("", lambda *_: (503, {"title": "away"}), exit_timeout=0.5)
        self.assertEqual(code, 0)
        self.assertRegex(said, "^3 events were not accepted: ")


class Package(unittest.TestCase):
    def test_the_version_is_that_of_the_package(self):
        [version] = re.findall('^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
        self.assertEqual(headcount.__version__, version)
