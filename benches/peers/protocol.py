"""What the peers that stay alive have in common: a line asks, a line answers, and then they rest.

A question is a JSON list, a command and its arguments. The answer is JSON too: null, seconds, or
`{"error": message}`. Other programs are measured between two questions, so an answer is given only
when the threads of this one have stopped spinning.
"""

import json
import sys
import time

WINDOW = 0.01
PATIENCE = 2.0


def rest():
    """Waits until this process uses no processor time."""
    end = time.perf_counter() + PATIENCE
    while time.perf_counter() < end:
        used = time.process_time()
        time.sleep(WINDOW)
        if time.process_time() - used < 0.1 * WINDOW:
            return


def seconds(work, runs):
    """The seconds of each of so many runs."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def serve(commands):
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        try:
            answer = commands[command](*arguments)
        except Exception as error:  # Whatever it is, the one who asked should know.
            answer = {"error": f"{type(error).__name__}: {error}"}
        rest()
        print(json.dumps(answer), flush=True)
