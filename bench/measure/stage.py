"""The hosts a measurement runs on: a demo cluster of its own, with the peers started beside our daemons.

A command calls `enter` first. Called outside it makes the cluster, runs the same command again on the first host and removes
everything; there `enter` returns. So our programs and the peers are started by the same process and cross the same link.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEMO_CLUSTER = os.path.join(BENCH, "..", "configure-scripts", "demo-cluster")
HERE, OTHER = "redfish", "bluefish"
NEEDED = ("ssh", "sshd", "rsh-redone-rsh", "rsh-redone-rlogin", "tcpserver", "in.rshd", "in.rlogind")
INSIDE = "QUEUE_BENCH_DIRECTORY"


def options(description, **numbers):
    """The command line: what all have, and `numbers` as options with these defaults."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    for name, default in numbers.items():
        parser.add_argument("--" + name, type=type(default), default=default)
    parser.add_argument("--only", metavar="TEXT", help="only rows whose name contains it")
    parser.add_argument("--peers-only", action="store_true", help="without our programs")
    parser.add_argument("--quiet", type=float, default=30, metavar="S", help="wait so long for an idle machine each time")
    parser.add_argument("--json", metavar="FILE", help="append all samples, one line a run")
    return parser.parse_args()


def enter(chosen):
    """Returns on the first host, with the directory of the peers' files."""
    if INSIDE in os.environ:
        return os.environ[INSIDE]
    with Cluster(bare=chosen.peers_only, hosts=2) as cluster:
        peers = cluster.start_peers()
        words = [sys.executable, "-I", os.path.abspath(sys.argv[0])] + sys.argv[1:]
        status = cluster.run(HERE, words, {INSIDE: peers}).returncode
    sys.exit(status)


class Cluster:
    """Hosts for one measurement, gone with it."""

    def __init__(self, bare, hosts):
        require_root_and_peers()
        if not bare:
            require_programs()
        self.environment = os.environ | {"DEMO_CLUSTER": f"bench-{os.getpid()}"}
        self.directory = None
        self.size = (["--bare"] if bare else []) + [str(hosts)]

    def __enter__(self):
        # Asked to end, remove the hosts first.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self.demo("up", *self.size)
        # The peers' user must be able to read it, unlike the cluster's own directory.
        self.directory = tempfile.mkdtemp(prefix="queue-bench-", dir="/tmp")
        os.chmod(self.directory, 0o755)
        return self

    def __exit__(self, *error):
        self.demo("down")
        shutil.rmtree(self.directory)

    def demo(self, *arguments):
        if subprocess.run([DEMO_CLUSTER, *arguments], env=self.environment).returncode:
            sys.exit(1)

    def start_peers(self):
        command = [os.path.join(BENCH, "peers", "start"), self.directory, HERE, OTHER]
        if subprocess.run(command, env=self.environment).returncode:
            raise RuntimeError("the peers do not start")
        return self.directory

    def run(self, host, words, more=None, **how):
        return subprocess.run(self.command(host, words), env=self.environment | (more or {}), **how)

    def command(self, host, words):
        return [DEMO_CLUSTER, "exec", host, "--", *words]

    def processes(self, host, role):
        found = subprocess.run([DEMO_CLUSTER, "pids", host, role], env=self.environment, stdout=subprocess.PIPE, text=True)
        return [int(line) for line in found.stdout.split()]


def require_root_and_peers():
    if os.geteuid() != 0:
        sys.exit("bench: hosts with a link between them need root")
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [program for program in NEEDED if not shutil.which(program, path=path)]
    if missing:
        sys.exit(f"bench: {', '.join(missing)}: not found; bench/peers/install installs what we are measured against")


def require_programs():
    directory = os.environ.get("QUEUE_BIN") or os.path.join(BENCH, "..", "target", "release")
    for program in ("queue", "queued"):
        if not os.access(os.path.join(directory, program), os.X_OK):
            sys.exit(f"bench: no {program} in {os.path.normpath(directory)}; configure-scripts/build makes it")
