"""Taking time. Rows are measured in turns, so that what else happens on the machine falls on all of them alike and ratios
hold; and each turn waits for an idle machine, at most so long."""

import json
import os
import subprocess
import time


def in_turns(rows, rounds, quiet_s, measure):
    """`measure(row)` gives a list of samples, for each row and round; all by name. A row is tried once before it counts."""
    for row in rows.values():
        measure(row)
    samples = {name: [] for name in rows}
    for _ in range(rounds):
        wait_until_idle(quiet_s)
        for name, row in rows.items():
            samples[name] += measure(row)
    return samples


def wait_until_idle(limit_s):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        before = processor_ticks()
        time.sleep(0.3)
        idle, total = (after - b for after, b in zip(processor_ticks(), before))
        if idle >= 0.9 * total:
            return


def processor_ticks():
    with open("/proc/stat") as file:
        ticks = list(map(int, file.readline().split()[1:]))
    return ticks[3] + ticks[4], sum(ticks[:8])


def run_s(words):
    """How long a command takes from its start to its end, in seconds."""
    begun = time.perf_counter()
    process = os.posix_spawnp(
        words[0],
        words,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        ],
    )
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    took = time.perf_counter() - begun
    if status:
        raise RuntimeError(f"{words} ended with {status}")
    return took


def run_through_pipe_s(words, expected_bytes):
    """The same for a command whose output somebody reads."""
    begun = time.perf_counter()
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    received = drain(process.stdout.fileno())
    status = process.wait()
    took = time.perf_counter() - begun
    if status or received != expected_bytes:
        raise RuntimeError(f"{words} ended with {status} after {received} of {expected_bytes} bytes")
    return took


def drain(descriptor):
    """Reads to the end, which for a terminal may be an error, and counts."""
    received = 0
    buffer = bytearray(1 << 20)
    while True:
        try:
            count = os.readv(descriptor, [buffer])
        except OSError:
            return received
        if not count:
            return received
        received += count


def keep(path, measurement, samples):
    if path:
        with open(path, "a") as file:
            print(json.dumps({"measurement": measurement, "samples": samples}), file=file)
