"""Puts an image together: copies ranges of files into a sparse file, and hashes the whole of it.

Request on standard input, JSON: {target, size, segments: [{start, end, source, sourceStart}], resume, saveAt}.
Segments ascend and do not overlap; a source that is null is the target's own bytes, between all of them it is zero.
`resume` is null, or {at, state} of an earlier run over the same bytes up to `at`: hashing goes on from there.
Result on standard output: {sha256, saved: {at, state}}, the state of the hash at `saveAt` (a boundary of segments).
"""

import _hashlib
import ctypes
import errno
import json
import os
import sys
import threading

CHUNK = 4 * 1024**2

# Where the kernel cannot copy between the two files itself: copy_file_range(2), ERRORS.
CANNOT_COPY = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM)


class Sha256:
    """OpenSSL's SHA-256, as fast as hashlib's, and its state can be kept: hashlib has no way to.

    The state is a SHA256_CTX (openssl/sha.h): 28 words of 32 bits. It means something to the same build of OpenSSL only.
    """

    # The library that hashlib has loaded already, whatever its version is called.
    _openssl = ctypes.CDLL(_hashlib.__file__)
    _STATE_BYTES = 28 * 4

    def __init__(self, state=None):
        self._context = ctypes.create_string_buffer(self._STATE_BYTES)
        if state is None:
            self._openssl.SHA256_Init(self._context)
        else:
            self._context.raw = bytes.fromhex(state)

    def update(self, buffer, length):
        """Adds the first bytes of a ctypes buffer; other threads run meanwhile."""
        self._openssl.SHA256_Update(self._context, buffer, ctypes.c_size_t(length))

    def state(self):
        return self._context.raw.hex()

    def hexdigest(self):
        digest = ctypes.create_string_buffer(32)
        self._openssl.SHA256_Final(digest, self._context)
        return digest.raw.hex()


def copy(segments, target):
    """Copies what is not in the target yet; file systems that can share blocks between files do."""
    missing = [segment for segment in segments if segment[2] != target]
    # A full disk is noticed at once, and the rename over an earlier image does not wait until ext4 has found room for
    # what was written (ext4(5), auto_da_alloc).
    for start, end, _, _ in missing:
        os.posix_fallocate(target, start, end - start)
    for start, end, source, source_start in missing:
        while start < end:
            done = copy_some(source, target, end - start, source_start, start)
            start += done
            source_start += done


def copy_some(source, target, length, source_start, start):
    try:
        done = os.copy_file_range(source, target, length, source_start, start)
    except OSError as error:
        if error.errno not in CANNOT_COPY:
            raise
        done = os.pwrite(target, os.pread(source, min(length, CHUNK), source_start), start)
    if done == 0:
        raise EOFError(f"a source ends at {source_start}")
    return done


def digest(segments, size, resume, save_at):
    """The sha256 of the target as it will be, read from the sources; and the state at `save_at`."""
    at, sha256 = (0, Sha256()) if resume is None else (resume["at"], Sha256(resume["state"]))
    saved = None
    zeros, buffer = (ctypes.c_char * CHUNK)(), (ctypes.c_char * CHUNK)()
    # Two empty segments, so that the zeros before them are hashed.
    stops = [(save_at, save_at, None, 0), (size, size, None, 0)]
    for start, end, source, source_start in sorted([*segments, *stops], key=lambda segment: segment[:2]):
        if start < at:
            continue
        while at < start:
            length = min(start - at, CHUNK)
            sha256.update(zeros, length)
            at += length
        if at == save_at and saved is None:
            saved = {"at": at, "state": sha256.state()}
        while at < end:
            length = os.preadv(source, [memoryview(buffer)[: end - at]], source_start + at - start)
            if length == 0:
                raise EOFError(f"a source ends at {source_start + at - start}")
            sha256.update(buffer, length)
            at += length
    return {"sha256": sha256.hexdigest(), "saved": saved}


def splice(request):
    target = os.open(request["target"], os.O_RDWR)
    opened = {None: target}
    for path in {segment["source"] for segment in request["segments"]} - {None}:
        opened[path] = os.open(path, os.O_RDONLY)
    segments = [(s["start"], s["end"], opened[s["source"]], s["sourceStart"]) for s in request["segments"]]
    failures = []

    def work():
        try:
            copy(segments, target)
        except Exception as error:
            failures.append(error)

    copying = threading.Thread(target=work)
    copying.start()
    result = digest(segments, request["size"], request["resume"], request["saveAt"])
    copying.join()
    # An exception of a thread would be printed and forgotten.
    for failure in failures:
        raise failure
    return result


if __name__ == "__main__":
    json.dump(splice(json.load(sys.stdin)), sys.stdout)
