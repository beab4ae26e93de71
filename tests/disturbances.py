"""What tests/soak and tests/torture do to a cluster of three hosts while sessions run."""

import os
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DEMO = os.path.join(HERE, "..", "configure-scripts", "demo-cluster")
HOSTS = ["redfish", "bluefish", "onefish"]


def demo(*words, **more):
    return subprocess.run([DEMO, *words], stdin=subprocess.DEVNULL, check=True, timeout=60, **more)


def pids(host, role="daemon"):
    found = subprocess.run([DEMO, "pids", host, role], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    return [int(pid) for pid in found.split()]


def kill(host, role):
    """Kills all processes in a role; how many there were."""
    killed = 0
    for pid in pids(host, role):
        try:
            os.kill(pid, 9)
            killed += 1
        except ProcessLookupError:
            pass
    return killed


def disturb(until, chance, runners=False):
    """Kills a daemon or cuts a link, a few times a second; heals what it cut. With `runners` those are killed too."""
    done = {"daemon killed": 0, "link cut": 0}
    if runners:
        done["runner killed"] = 0
    while time.monotonic() < until - 8:
        host, dice = chance.choice(HOSTS), chance.random()
        if runners and dice < 0.15:
            done["runner killed"] += kill(host, "runner")
        elif dice < 0.6:
            done["daemon killed"] += kill(host, "daemon")
            demo("start", host, stdout=subprocess.DEVNULL)
        else:
            demo("cut", host)
            time.sleep(chance.uniform(0.1, 2.5))
            demo("heal", host)
            done["link cut"] += 1
        time.sleep(chance.uniform(0.2, 1.5))
    return done
