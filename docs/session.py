#!/usr/bin/python3
"""Plays a session on a demo-cluster and puts what was on the screen into README.md, between its two marks.

Needs root, tmux and python3; programs from QUEUE_BIN or target/release. What is shown is what happened.
"""

import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEMO = os.path.join(ROOT, "configure-scripts/demo-cluster")
README = os.path.join(ROOT, "README.md")
ENVIRONMENT = dict(os.environ, DEMO_CLUSTER=f"session{os.getpid()}", TERM="xterm")
SOCKET = f"session{os.getpid()}"
BEGIN, END = "<!-- session: docs/session.py -->\n", "<!-- end of session -->\n"

# What is typed, and what is waited for: a text behind it, or the prompt.
PLAY = [
    ("queue hosts", None),
    ("queue -- hostname", None),
    ("queue -h onefish -- sleep 1000", "sleep 1000\n"),
    ("C-z", "Stopped"),
    ("bg", None),
    ("kill %1", None),
    ("queue -h bluefish -- python3 -q", ">>>"),
    ("answer = 6 * 7", ">>> answer = 6 * 7\n>>>"),
    ("~d", "come back with"),
    ("queue sessions", None),
    ("queue attach", ">>>"),
    ("answer", "\n42\n>>>"),
    ("exit(3)", None),
    ("echo $?", None),
]


def tmux(*words):
    return subprocess.run(["tmux", "-L", SOCKET, *words], env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout


def screen():
    return tmux("capture-pane", "-p", "-J", "-S", "-200").rstrip() + "\n"


def wait(condition, what):
    until = time.monotonic() + 20
    while not condition(screen()):
        if time.monotonic() > until:
            sys.exit(f"{what!r} did not come:\n{screen()}")
        time.sleep(0.05)


def main():
    subprocess.run([DEMO, "up", "3"], env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    try:
        time.sleep(2)
        shell = f"{DEMO} exec redfish -- env 'PS1=redfish$ ' bash --norc --noprofile -i"
        tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "60", shell)
        wait(lambda text: text.startswith("redfish$"), "the prompt")
        for typed, answer in PLAY:
            before = screen().count("redfish$")
            if typed == "C-z":
                tmux("send-keys", "C-z")
            elif typed == "~d":
                tmux("send-keys", "-l", "~d")
            else:
                tmux("send-keys", "-l", typed)
                tmux("send-keys", "Enter")
            if answer is None:
                wait(lambda text: text.count("redfish$") > before, "the prompt")
            else:
                wait(lambda text: answer in text, answer)
            time.sleep(0.3)
        lines = screen().rstrip().removesuffix("redfish$").rstrip()
    finally:
        subprocess.run(["tmux", "-L", SOCKET, "kill-server"], env=ENVIRONMENT, check=False)
        subprocess.run([DEMO, "down"], env=ENVIRONMENT, check=False, stdout=subprocess.DEVNULL)
    with open(README) as file:
        text = file.read()
    shown = f"{BEGIN}```console\n{lines}\n```\n{END}"
    text, count = re.subn(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: shown, text, flags=re.DOTALL)
    if count != 1:
        sys.exit("README.md has no place for a session")
    with open(README, "w") as file:
        file.write(text)
    print(shown, end="")


if __name__ == "__main__":
    main()
