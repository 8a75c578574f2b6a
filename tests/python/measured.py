"""Runs a program on some of the cores, and tells what it took.

    measured.py CORES OUTPUT PROGRAM ARGUMENT...

writes the program's standard output into the file OUTPUT, and prints one JSON object: the seconds from its start to its
end, its processor time, and the most memory that it had.
"""

import json
import os
import subprocess
import sys
import time


def main():
    cores, output, *command = sys.argv[1:]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    with open(output, "wb") as out:
        begun = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begun
    print(json.dumps({
        "seconds": seconds,
        "cpuSeconds": usage.ru_utime + usage.ru_stime,
        "peakBytes": usage.ru_maxrss * 1024,
    }))
    sys.exit(os.waitstatus_to_exitcode(status))


main()
