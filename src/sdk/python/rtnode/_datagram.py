"""Messages between nodes: unix datagrams, never waiting."""

import contextlib
import errno
import os
import socket
import stat
import tempfile


def runtime_dir():
    """Where the sockets are: $RTNODE_RUNTIME_DIR, else /run/rtnode on a board, else a folder of this user."""
    own = os.environ.get("RTNODE_RUNTIME_DIR")
    if own:
        return own
    if os.access("/run/rtnode", os.W_OK):
        return "/run/rtnode"
    path = os.path.join(tempfile.gettempdir(), f"rtnode-{os.getuid()}")
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


class DatagramSocket:
    """A socket that others reach under a name. ``buffer`` holds the last datagram that `receive` took.

    Results are ints as in the TypeScript SDK: 0 or a length, or a negative errno.
    """

    __slots__ = ("_socket", "buffer", "path")

    def __init__(self, name, capacity=1024):
        self.path = self.peer(name)
        self.buffer = bytearray(capacity)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        # What an earlier process of this name left behind.
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(os.lstat(self.path).st_mode):
                os.unlink(self.path)
        try:
            self._socket.bind(self.path)
        except OSError:
            self._socket.close()
            raise

    @staticmethod
    def peer(name):
        """The address of the node's socket of that name, for `send`."""
        return os.path.join(runtime_dir(), f"{name}.sock")

    def send(self, peer, data):
        """0; -ENOENT or -ECONNREFUSED when nobody has the address; -EAGAIN when the receiver's queue is full."""
        try:
            self._socket.sendto(data, peer)
        except OSError as error:
            return -error.errno
        return 0

    def receive(self):
        """The length of the datagram now in `buffer`; -EAGAIN when there is none, -EMSGSIZE when it did not fit."""
        try:
            length, _, flags, _ = self._socket.recvmsg_into((self.buffer,))
        except OSError as error:
            return -error.errno
        return -errno.EMSGSIZE if flags & socket.MSG_TRUNC else length

    def close(self):
        """Closes the socket and removes its name."""
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
