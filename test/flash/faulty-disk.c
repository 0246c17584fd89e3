/*
 * A library to preload into the program that writes a disk: it lets the disk fail as its environment says. Only reads and
 * writes of the file FAULTY_DISK are touched; they count from 1.
 *
 *   FAULTY_STOP=N      the process is killed after its Nth write
 *   FAULTY_FLIP=AT     the byte at that place is written with its lowest bit turned
 *   FAULTY_EIO=AT      writes that cover that place fail; FAULTY_TIMES=N: only the first N of them
 *   FAULTY_SIZE=BYTES  what lies behind that size is dropped when it is written, and zero when it is read
 *   FAULTY_GONE=N      from the Nth write on every call fails with ENODEV
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static long long setting(const char *name)
{
    const char *text = getenv(name);
    return text == NULL ? -1 : atoll(text);
}

static struct stat disk;
static bool has_disk;

/* Before the program gives up its rights, and with them perhaps the way to the disk. */
__attribute__((constructor)) static void find_disk(void)
{
    const char *path = getenv("FAULTY_DISK");
    has_disk = path != NULL && stat(path, &disk) == 0;
}

static bool is_disk(int fd)
{
    struct stat file;
    return has_disk && fstat(fd, &file) == 0 && disk.st_dev == file.st_dev && disk.st_ino == file.st_ino;
}

static long long writes;

static bool gone(void)
{
    long long from = setting("FAULTY_GONE");
    return from >= 0 && writes >= from;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    static long long failed;
    if (real == NULL) real = (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    if (!is_disk(fd)) return real(fd, bytes, length, offset);
    writes++;
    if (gone()) {
        errno = ENODEV;
        return -1;
    }
    long long bad = setting("FAULTY_EIO"), times = setting("FAULTY_TIMES");
    if (bad >= offset && bad < offset + (long long)length && (times < 0 || failed < times)) {
        failed++;
        errno = EIO;
        return -1;
    }
    ssize_t written;
    long long flip = setting("FAULTY_FLIP"), size = setting("FAULTY_SIZE");
    if (flip >= offset && flip < offset + (long long)length) {
        char *copy = aligned_alloc(4096, (length + 4095) / 4096 * 4096);
        memcpy(copy, bytes, length);
        copy[flip - offset] ^= 1;
        written = real(fd, copy, length, offset);
        free(copy);
    } else if (size >= 0 && offset >= size) {
        written = (ssize_t)length;
    } else {
        written = real(fd, bytes, length, offset);
    }
    if (setting("FAULTY_STOP") == writes) kill(getpid(), SIGKILL);
    return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return pwrite64(fd, bytes, length, offset);
}

ssize_t preadv64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags)
{
    static ssize_t (*real)(int, const struct iovec *, int, off64_t, int);
    if (real == NULL) real = (ssize_t(*)(int, const struct iovec *, int, off64_t, int))dlsym(RTLD_NEXT, "preadv64v2");
    if (is_disk(fd) && gone()) {
        errno = ENODEV;
        return -1;
    }
    ssize_t got = real(fd, parts, count, offset, flags);
    long long size = setting("FAULTY_SIZE");
    if (is_disk(fd) && size >= 0 && offset >= size && got > 0) memset(parts[0].iov_base, 0, (size_t)got);
    return got;
}

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    return preadv64v2(fd, parts, count, offset, flags);
}
