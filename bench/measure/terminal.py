"""A command on a pseudo terminal of its own, as a person would have started it."""

import os
import pty
import select
import signal
import time


class Terminal:
    """The command is the session's leader and has the terminal as its controlling one, in the foreground."""

    def __init__(self, words):
        self.process, self.master = pty.fork()
        if self.process == 0:
            try:
                os.execvp(words[0], words)
            finally:
                os._exit(127)
        self.words = words

    def __enter__(self):
        return self

    def __exit__(self, *error):
        os.close(self.master)  # hangs up
        for sign in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + 1
            while time.monotonic() < end:
                if os.waitpid(self.process, os.WNOHANG)[0]:
                    return
                time.sleep(0.01)
            os.kill(self.process, sign)
        os.waitpid(self.process, 0)

    def type(self, keys):
        os.write(self.master, keys)

    def read(self, limit_s):
        """What comes next, or nothing within the limit."""
        if not select.select([self.master], [], [], limit_s)[0]:
            return b""
        return os.read(self.master, 65536)

    def expect(self, text, limit_s=10):
        seen = b""
        while text not in seen:
            piece = self.read(limit_s)
            if not piece:
                raise RuntimeError(f"{self.words}: {text} did not come, but {seen}")
            seen += piece

    def settle(self):
        """Drops what still comes."""
        while self.read(0.1):
            pass

    def wait(self):
        status = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        os.close(self.master)
        return status
