"""Writes to a disk what it is told to: the only part of rtkit that runs as root, and only until the disk is open.

Usage: writer.py DISK. Commands on standard input, a line each; one line of JSON on standard output answers each, in order:
  write OFFSET LENGTH    followed by LENGTH bytes
  discard OFFSET LENGTH  tells the disk that the range is of no use any more; {"discarded": false} where it cannot
  clear OFFSET LENGTH    makes the range read as zeros; what does so already is left alone; says how far it is as hash does
  glance OFFSET LENGTH   {"zero": whether sectors here and there read as zeros, the first and the last among them}
  sync                   returns when the disk has what was written
  hash OFFSET LENGTH     {"sha256": of what the disk has, in hex}, and before it {"read": bytes so far} now and then
  sums OFFSET LENGTH     {"crc32": [of each MiB]}
The first line tells of the disk: {"size", "block": bytes of a logical sector, "sequence": a number that no other disk or
medium had since the machine was started (null of files and before Linux 5.15), "direct": whether the page cache is passed
by}. Errors are {"error": "EIO", "at": offset}; the next command is done all the same. It ends with its input, and does not
finish what is only read.

Python, because Node has no ioctl(2), and no memory that is aligned as O_DIRECT asks (open(2)).
"""

import errno
import fcntl
import hashlib
import json
import mmap
import os
import signal
import stat
import struct
import sys
import threading
import time
import traceback
import zlib
from concurrent.futures import ThreadPoolExecutor

CHUNK = 4 * 1024**2
MIB = 1024**2
ZEROS = bytes(CHUNK)
PROGRESS = 4 * CHUNK
GLANCES = 16

# linux/fs.h; the two that take a range want two 64-bit numbers, offset and length.
BLKSSZGET = 0x1268
BLKGETDISKSEQ = 0x80081280
BLKDISCARD = 0x1277
BLKZEROOUT = 0x127F

# A bus that was reset, a card that was busy: such a write may go well the next time.
TRANSIENT = (errno.EIO, errno.ETIMEDOUT, errno.EAGAIN)
PAUSES = (0.1, 0.5, 2.0)


class Disk:
    def __init__(self, path):
        # Of a block device: nobody has mounted it or holds it, and nobody can from now on (open(2), O_EXCL).
        self.is_block = stat.S_ISBLK(os.stat(path).st_mode)
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_EXCL if self.is_block else 0)
        try:
            self.fd = os.open(path, flags | os.O_DIRECT)
            self.direct = True
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self.fd = os.open(path, flags)
            self.direct = False
        self.size = os.lseek(self.fd, 0, os.SEEK_END)
        self.block = struct.unpack("i", fcntl.ioctl(self.fd, BLKSSZGET, bytes(4)))[0] if self.is_block else 512
        self.sequence = self._sequence()

    def _sequence(self):
        if not self.is_block:
            return None
        try:
            return struct.unpack("Q", fcntl.ioctl(self.fd, BLKGETDISKSEQ, bytes(8)))[0]
        except OSError:
            return None

    def write(self, buffer, offset):
        """Writes all of it; the last bytes of a chunk are filled up to whole sectors by the sender."""
        at = 0
        while at < len(buffer):
            at += self._patiently(lambda: os.pwrite(self.fd, buffer[at:], offset + at))

    def _patiently(self, call):
        for pause in PAUSES:
            try:
                return call()
            except OSError as error:
                if error.errno not in TRANSIENT:
                    raise
            time.sleep(pause)
        return call()

    def read(self, buffer, offset):
        at = 0
        while at < len(buffer):
            got = self._patiently(lambda: os.preadv(self.fd, [buffer[at:]], offset + at))
            if got == 0:
                raise OSError(errno.ENODATA, "the disk ends here")
            at += got

    def sync(self):
        os.fsync(self.fd)
        if not self.direct:
            os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def discard(self, offset, length):
        if not self.is_block:
            return False
        try:
            fcntl.ioctl(self.fd, BLKDISCARD, struct.pack("QQ", offset, length))
        except OSError:
            return False
        return True

    def zero(self, buffer, offset):
        """BLKZEROOUT lets the disk do it where it can."""
        try:
            if self.is_block:
                fcntl.ioctl(self.fd, BLKZEROOUT, struct.pack("QQ", offset, len(buffer)))
                return
        except OSError:
            # Written as zeros, it is tried again where that may help, and the error that stays is the write's.
            pass
        buffer[:] = ZEROS[: len(buffer)]
        self.write(buffer, offset)


class Reader:
    """Reads a range ahead of its use, chunk by chunk: the disk is busy while the last chunk is hashed."""

    def __init__(self, disk, buffers, thread):
        self.disk = disk
        self.buffers = buffers
        self.thread = thread
        self.stop = threading.Event()

    def chunks(self, offset, length):
        ahead = None
        for index, at in enumerate(range(offset, offset + length, CHUNK)):
            if self.stop.is_set():
                raise OSError(errno.ECANCELED, "nobody waits for it")
            # A disk is read in whole sectors; only the last of an image may be used in part.
            wanted = min(CHUNK, offset + length - at)
            whole = -(-wanted // self.disk.block) * self.disk.block
            view = memoryview(self.buffers[index % 2])[:whole]
            reading = self.thread.submit(self.disk.read, view, at)
            if ahead is not None:
                yield self._finished(*ahead)
            ahead = (reading, view, at, wanted)
        if ahead is not None:
            yield self._finished(*ahead)

    def _finished(self, reading, view, at, wanted):
        try:
            reading.result()
        except OSError as error:
            error.at = at
            raise
        return at, view[:wanted]


def is_zero(view):
    return bytes(view) == ZEROS[: len(view)]


class Commands:
    """What each command does, on the thread that serves the disk, one after the other."""

    def __init__(self, disk):
        self.disk = disk
        self.scratch = [mmap.mmap(-1, CHUNK) for _ in range(2)]
        self.ahead = ThreadPoolExecutor(1)
        self.reader = Reader(disk, self.scratch, self.ahead)

    def write(self, offset, view):
        self.disk.write(view, offset)
        return {}

    def sync(self):
        self.disk.sync()
        return {}

    def discard(self, offset, length):
        return {"discarded": self.disk.discard(offset, length)}

    def glance(self, offset, length):
        block = self.disk.block
        view = memoryview(self.scratch[0])[:block]
        last = length // block - 1
        for place in range(GLANCES):
            self.disk.read(view, offset + last * place // (GLANCES - 1) * block)
            if not is_zero(view):
                return {"zero": False}
        return {"zero": True}

    def clear(self, offset, length):
        for at, view in self.reader.chunks(offset, length):
            if not is_zero(view):
                # The reader has begun with the other buffer.
                self.disk.zero(view, at)
            self.tell(at - offset, len(view))
        return {}

    def hash(self, offset, length):
        digest = hashlib.sha256()
        for at, view in self.reader.chunks(offset, length):
            digest.update(view)
            self.tell(at - offset, len(view))
        return {"sha256": digest.hexdigest()}

    def tell(self, before, length):
        if before % PROGRESS == 0:
            answer({"read": before + length})

    def sums(self, offset, length):
        sums = []
        for _, view in self.reader.chunks(offset, length):
            sums.extend(zlib.crc32(view[start : start + MIB]) for start in range(0, len(view), MIB))
        return {"crc32": sums}


def drop_rights():
    """From here on the open disk is all that this process can do more than its caller."""
    if os.getuid() != 0:
        return
    nobody = 65534
    gid = int(os.environ.get("SUDO_GID", nobody))
    uid = int(os.environ.get("SUDO_UID", nobody))
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def answer(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def failure(error, at):
    name = errno.errorcode.get(error.errno, str(error.errno))
    return {"error": name, "at": getattr(error, "at", at)}


def fill(view):
    """Reads that many bytes of standard input; false when it ends before."""
    at = 0
    while at < len(view):
        got = sys.stdin.buffer.readinto(view[at:])
        if not got:
            return False
        at += got
    return True


def serve(disk):
    commands = Commands(disk)
    worker = ThreadPoolExecutor(1)
    # One is written, one waits, one is filled: each with the work that it waits for.
    buffers = [[mmap.mmap(-1, CHUNK), None] for _ in range(3)]
    turn = 0

    def run(name, *arguments):
        try:
            answer(getattr(commands, name)(*arguments))
        except OSError as error:
            answer(failure(error, arguments[0] if arguments else None))
        except BaseException:
            # A mistake of ours: nobody must wait for an answer.
            traceback.print_exc()
            os._exit(1)

    for line in iter(sys.stdin.buffer.readline, b""):
        name, *numbers = line.decode().split()
        offset_and_length = [int(number) for number in numbers]
        if name != "write":
            worker.submit(run, name, *offset_and_length)
            continue
        offset, length = offset_and_length
        buffer, busy = buffers[turn]
        if busy is not None:
            busy.result()
        view = memoryview(buffer)[:length]
        if not fill(view):
            break
        buffers[turn][1] = worker.submit(run, name, offset, view)
        turn = (turn + 1) % len(buffers)
    commands.reader.stop.set()
    worker.shutdown(cancel_futures=True)


def main():
    # Ctrl-C reaches every process of the terminal; the one that sends the commands decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        disk = Disk(sys.argv[1])
    except OSError as error:
        answer(failure(error, None))
        return 1
    drop_rights()
    answer({"size": disk.size, "block": disk.block, "sequence": disk.sequence, "direct": disk.direct})
    serve(disk)
    return 0


sys.exit(main())
