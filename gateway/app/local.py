"""Unix sockets: listened on by one program, opened by its owner alone, gone when it ends."""

from __future__ import annotations

import errno
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Made:
    """The file of a socket this process has made: removed at the end, unless it is somebody else's by then."""

    path: Path
    device: int
    inode: int

    def remove(self) -> None:
        """Take the file away."""
        try:
            found = self.path.lstat()
            if (found.st_dev, found.st_ino) == (self.device, self.inode):
                self.path.unlink()
        except OSError:
            # Gone already, or not ours to remove any more: either way nobody listens there.
            return


def take(path: Path) -> tuple[socket.socket, Made]:
    """Make a socket only its owner can open; one left behind by a program that has ended is replaced.

    Raises OSError; ``strerror`` says in words if the path is something else, or if a program listens there.
    """
    _clear(path)
    taken = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        taken.bind(str(path))
        # Nobody can connect before somebody listens, so nobody comes in between.
        path.chmod(0o600)
        taken.setblocking(False)
        found = path.lstat()
    except OSError:
        taken.close()
        raise
    return taken, Made(path, found.st_dev, found.st_ino)


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "the file there is no socket, and is left alone")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, "another program listens there already")
