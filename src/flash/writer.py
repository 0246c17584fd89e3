"""Writes to a disk what it is told to: the only part of rtkit that runs as root, and only until the disk is open.

Usage: writer.py DISK UID GIDS [IMAGE]. It opens DISK, becomes the user UID in the groups GIDS (1000,27,44: the first is the
user's own), and opens IMAGE as that user. Commands on standard input, a line each, each with a number before it; one line
of JSON on standard output answers each, and says the number as "id":
  write OFFSET LENGTH    followed by LENGTH bytes
  copy OFFSET LENGTH     the image's range to the same place of the disk, and zeros behind the image's end in its last
                         sector; before the answer {"done": bytes so far} now and then
  discard OFFSET LENGTH  tells the disk that the range is of no use any more; {"discarded": false} where it cannot
  clear OFFSET LENGTH    makes the range read as zeros; what does so already is left alone; says how far it is as copy does
  glance OFFSET LENGTH   {"zero": whether sectors here and there read as zeros, the first and the last among them}
  sync                   returns when all that was asked before and writes is done, and on the disk
  sum OFFSET LENGTH F    {"sha256": of the image from F to the range's end, in hex}
  hash OFFSET LENGTH F   {"sha256": of the image from F to OFFSET, and what the disk has from there on}; says how far it is
                         as copy does
  compare OFFSET LENGTH  {"differs": offset of the first MiB that is not as in the image, or null}
They begin in the order they come in. What is asked after a discard, glance, clear, sum or hash does not wait for it, but
two of these go on at the most, and two sums, which take the CPU time that the rest leaves.
The first line has the number 0 and tells of the disk: {"size", "block": bytes of a logical sector, "sequence": a number that
no other disk or medium had since the machine was started (null of files and before Linux 5.15), "direct": whether the page
cache is passed by}, and which file IMAGE is: {"image": "DEVICE:INODE:SIZE:MTIME"}. Errors are {"error": "EIO", "at": offset, "of": "disk" or
"image"}; the next command is done all the same. It ends with its input, and does not finish what is only read or copied.

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
from concurrent.futures import ThreadPoolExecutor

MIB = 1024**2
CHUNK = 4 * MIB
ZEROS = bytes(CHUNK)
PROGRESS = 4 * CHUNK
GLANCES = 16
# Begun one after the other, done beside the others; two at once: while one range is read another is hashed.
ASIDE = ("discard", "glance", "clear", "sum", "hash")
ASIDE_AT_ONCE = 2
# A sum is of no use before all is written: it takes the CPU time that writing leaves, which is much while a disk syncs.
SUM_NICENESS = 10

# linux/fs.h; the two that take a range want two 64-bit numbers, offset and length.
BLKSSZGET = 0x1268
BLKGETDISKSEQ = 0x80081280
BLKDISCARD = 0x1277
BLKZEROOUT = 0x127F

# A bus that was reset, a card that was busy: such a call may go well the next time.
TRANSIENT = (errno.EIO, errno.ETIMEDOUT, errno.EAGAIN)
PAUSES = (0.1, 0.5, 2.0)


class Failed(Exception):
    """What a command's error is answered with: errno(3), the place in bytes, and what is to blame."""

    def __init__(self, number, at, of="disk"):
        super().__init__(number, at, of)
        self.answer = {"error": errno.errorcode.get(number, str(number)), "at": at, "of": of}


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
        at = 0
        while at < len(buffer):
            at += patiently(lambda: os.pwrite(self.fd, buffer[at:], offset + at), offset)

    def read(self, buffer, offset):
        at = 0
        while at < len(buffer):
            got = patiently(lambda: os.preadv(self.fd, [buffer[at:]], offset + at), offset)
            if got == 0:
                raise Failed(errno.ENODATA, offset)
            at += got

    def sync(self):
        try:
            os.fsync(self.fd)
        except OSError as error:
            raise Failed(error.errno, None) from error
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


def patiently(call, offset):
    pauses = iter(PAUSES)
    while True:
        try:
            return call()
        except OSError as error:
            pause = next(pauses, None)
            if pause is None or error.errno not in TRANSIENT:
                raise Failed(error.errno, offset) from error
            time.sleep(pause)


class Image:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        info = os.fstat(self.fd)
        self.size = info.st_size
        self.identity = f"{info.st_dev}:{info.st_ino}:{info.st_size}:{info.st_mtime_ns}"

    def read(self, buffer, offset):
        """Fills a buffer; with zeros behind the image's end."""
        end = max(0, min(len(buffer), self.size - offset))
        buffer[end:] = ZEROS[: len(buffer) - end]
        at = 0
        while at < end:
            try:
                got = os.preadv(self.fd, [buffer[at:end]], offset + at)
            except OSError as error:
                raise Failed(error.errno, offset + at, "image") from error
            if got == 0:
                raise Failed(errno.ENODATA, offset + at, "image")
            at += got


class Chunks:
    """Reads ranges ahead of their use, chunk by chunk: disk or image are read while the last chunk is hashed or written."""

    def __init__(self, block, stop, niceness=0):
        self.block = block
        self.buffers = [mmap.mmap(-1, CHUNK) for _ in range(2)]
        self.thread = threads(1, niceness)
        self.stop = stop

    def whole(self, length):
        """Bytes of the sectors that hold so many."""
        return -(-length // self.block) * self.block

    def of(self, source, offset, length):
        """Offset, whole sectors, and how many bytes of them are wanted: fewer only where the image ends."""
        ahead = None
        for index, at in enumerate(range(offset, offset + length, CHUNK)):
            if self.stop.is_set():
                raise Failed(errno.ECANCELED, at)
            wanted = min(CHUNK, offset + length - at)
            sectors = memoryview(self.buffers[index % 2])[: self.whole(wanted)]
            reading = self.thread.submit(source.read, sectors, at)
            if ahead is not None:
                ahead[0].result()
                yield ahead[1:]
            ahead = (reading, at, sectors, wanted)
        if ahead is not None:
            ahead[0].result()
            yield ahead[1:]


def threads(count, niceness=0):
    """Linux has a nice value for each thread (setpriority(2), BUGS); they add theirs to the process's."""

    def be_nice():
        me = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, me, os.getpriority(os.PRIO_PROCESS, me) + niceness)

    return ThreadPoolExecutor(count, initializer=be_nice)


def is_zero(view):
    return bytes(view) == ZEROS[: len(view)]


class Commands:
    """What each command does: on one thread, one after the other, those of ASIDE on two more, sums on two nicer ones."""

    def __init__(self, disk, image):
        self.disk = disk
        self.image = image
        self.stop = threading.Event()
        self.chunks = Chunks(disk.block, self.stop)
        self.aside = [Chunks(disk.block, self.stop) for _ in range(ASIDE_AT_ONCE)]
        self.sums = [Chunks(disk.block, self.stop, SUM_NICENESS) for _ in range(ASIDE_AT_ONCE)]
        self.here = threading.local()

    def do(self, number, name, *arguments):
        """Does what a line asks for, and answers."""
        spare = self.sums if name == "sum" else self.aside
        self.here.number = number
        self.here.chunks = spare.pop() if name in ASIDE else self.chunks
        try:
            answer(number, getattr(self, name)(*arguments))
        except Failed as failed:
            answer(number, failed.answer)
        except BaseException:
            # A mistake of ours: nobody must wait for an answer.
            traceback.print_exc()
            os._exit(1)
        finally:
            if name in ASIDE:
                spare.append(self.here.chunks)

    def write(self, offset, view):
        self.disk.write(view, offset)
        return {}

    def copy(self, offset, length):
        for at, sectors, wanted in self.here.chunks.of(self.image, offset, length):
            self.disk.write(sectors, at)
            self.tell(offset, at, wanted)
        return {}

    def sync(self):
        self.disk.sync()
        return {}

    def discard(self, offset, length):
        return {"discarded": self.disk.discard(offset, length)}

    def glance(self, offset, length):
        block = self.disk.block
        view = memoryview(self.here.chunks.buffers[0])[:block]
        last = length // block - 1
        for place in range(GLANCES):
            self.disk.read(view, offset + last * place // (GLANCES - 1) * block)
            if not is_zero(view):
                return {"zero": False}
        return {"zero": True}

    def clear(self, offset, length):
        for at, sectors, wanted in self.here.chunks.of(self.disk, offset, length):
            if not is_zero(sectors):
                # The other buffer is the one that is read into.
                self.disk.zero(sectors, at)
            self.tell(offset, at, wanted)
        return {}

    def hash(self, offset, length, sum_from):
        digest = self._digest(sum_from, offset)
        for at, sectors, wanted in self.here.chunks.of(self.disk, offset, length):
            digest.update(sectors[:wanted])
            self.tell(offset, at, wanted)
        return {"sha256": digest.hexdigest()}

    def sum(self, offset, length, sum_from):
        digest = self._digest(sum_from, offset)
        for _, sectors, wanted in self.here.chunks.of(self.image, offset, length):
            digest.update(sectors[:wanted])
        return {"sha256": digest.hexdigest()}

    def _digest(self, start, end):
        """A sum that begins with what the image has from start to end, where that is anything."""
        before = memoryview(bytearray(end - start))
        if before:
            self.image.read(before, start)
        return hashlib.sha256(before)

    def compare(self, offset, length):
        for at in range(offset, offset + length, MIB):
            wanted = min(MIB, offset + length - at)
            found, image = (memoryview(buffer)[: self.chunks.whole(wanted)] for buffer in self.chunks.buffers)
            self.disk.read(found, at)
            self.image.read(image, at)
            if bytes(found[:wanted]) != bytes(image[:wanted]):
                return {"differs": at}
        return {"differs": None}

    def tell(self, offset, at, length):
        if (at - offset) % PROGRESS == 0:
            answer(self.here.number, {"done": at - offset + length})


def become(uid, gids):
    os.setgroups(gids)
    os.setresgid(gids[0], gids[0], gids[0])
    os.setresuid(uid, uid, uid)


def answer(number, members):
    # In one call: several threads answer.
    os.write(sys.stdout.fileno(), f"{json.dumps({'id': number, **members})}\n".encode())


def fill(view):
    """Reads that many bytes of standard input; false when it ends before."""
    at = 0
    while at < len(view):
        got = sys.stdin.buffer.readinto(view[at:])
        if not got:
            return False
        at += got
    return True


def serve(commands):
    worker = ThreadPoolExecutor(1)
    aside = ThreadPoolExecutor(ASIDE_AT_ONCE)
    sums = threads(ASIDE_AT_ONCE, SUM_NICENESS)
    writing = []
    # One is written while the other is filled: each with the work that it waits for.
    buffers = [[mmap.mmap(-1, CHUNK), None] for _ in range(2)]
    turn = 0

    def begin(number, name, *arguments):
        if name in ASIDE:
            work = (sums if name == "sum" else aside).submit(commands.do, number, name, *arguments)
            if name in ("discard", "clear"):
                writing.append(work)
            return
        if name == "sync":
            while writing:
                writing.pop().result()
        commands.do(number, name, *arguments)

    for line in iter(sys.stdin.buffer.readline, b""):
        number, name, *numbers = line.decode().split()
        if name != "write":
            worker.submit(begin, int(number), name, *map(int, numbers))
            continue
        offset, length = map(int, numbers)
        buffer, busy = buffers[turn]
        if busy is not None:
            busy.result()
        view = memoryview(buffer)[:length]
        if not fill(view):
            break
        buffers[turn][1] = worker.submit(begin, int(number), name, offset, view)
        turn = (turn + 1) % len(buffers)
    commands.stop.set()
    worker.shutdown(cancel_futures=True)
    aside.shutdown(cancel_futures=True)
    sums.shutdown(cancel_futures=True)


def main():
    # Ctrl-C reaches every process of the terminal; the one that sends the commands decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    path, uid, gids, *image_path = sys.argv[1:]
    opening = "disk"
    try:
        disk = Disk(path)
        # From here on the open disk is all that this process can do more than its caller.
        if os.getuid() != int(uid):
            become(int(uid), [int(gid) for gid in gids.split(",")])
        opening = "image"
        image = Image(*image_path) if image_path else None
    except OSError as error:
        answer(0, Failed(error.errno, None, opening).answer)
        return 1
    if os.getuid() == 0:
        nobody = 65534
        become(nobody, [nobody])
    about = {"size": disk.size, "block": disk.block, "sequence": disk.sequence, "direct": disk.direct}
    answer(0, about if image is None else {**about, "image": image.identity})
    serve(Commands(disk, image))
    return 0


sys.exit(main())
