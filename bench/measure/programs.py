"""What is compared: the words in front of a command that have it run somewhere, ours and the peers'.

`here` is the host we are on, `other` the one across the link. A row's name is what the table shows.
"""

import shlex

from .stage import HERE, OTHER

USER = "qbench"

NONE = "nothing between"
QUEUE_HERE, QUEUE_OTHER = "queue, own host", "queue, other host"
RSH, RLOGIN, RLOGIN_HERE = "rsh", "rlogin", "rlogin, own host"
SSH_MUX, SSH_COLD = "ssh, ControlMaster", "ssh, cold"


def queue(host, *options):
    return lambda words: ["queue", *options, "-h", host, "--", *words]


def rsh(words):
    return ["rsh-redone-rsh", "-l", USER, OTHER, shlex.join(words)]


def ssh(directory, name, *options):
    return lambda words: ["ssh", "-F", directory + "/ssh-config", *options, name, shlex.join(words)]


def without_terminal(directory):
    """Name to what makes a command line: for commands whose input and output are no terminal."""
    return {
        NONE: list,
        QUEUE_HERE: queue(HERE, "-n"),
        QUEUE_OTHER: queue(OTHER, "-n"),
        RSH: rsh,
        SSH_MUX: ssh(directory, "mux", "-n"),
        SSH_COLD: ssh(directory, "cold", "-n"),
    }


def with_terminal(directory):
    """The same for commands on a terminal. rlogin is not among them: it starts a shell and takes no command."""
    return {
        NONE: list,
        QUEUE_HERE: queue(HERE),
        QUEUE_OTHER: queue(OTHER),
        SSH_MUX: ssh(directory, "mux", "-tt"),
    }


def logins():
    return {
        RLOGIN: ["rsh-redone-rlogin", "-l", USER, OTHER],
        RLOGIN_HERE: ["rsh-redone-rlogin", "-l", USER, HERE],
    }


def select(rows, chosen):
    """The rows that the options leave."""
    return {
        name: row
        for name, row in rows.items()
        if not (chosen.peers_only and name.startswith("queue")) and (chosen.only or "") in name
    }
