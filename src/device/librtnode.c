/*
 * librtnode.so: rt-launch preloads it into the program, since a memory lock is lost on exec (mlockall(2)). Before main it
 * locks all memory, now and later, and touches stack and heap, so that the loop meets no page fault. Loaded in any other
 * way it only offers rtnode.h.
 *
 * The lock belongs to the program that was launched. What that program starts inherits neither the lock (fork(2)) nor
 * this library: the constructor takes itself out of the environment.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "notify.h"
#include "rtnode.h"

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24 /* Linux 5.18 */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

enum { EXIT_LAUNCHER = 125 };

/*
 * V8 aborts when madvise(MADV_DONTNEED) fails, and on locked memory it fails with EINVAL. The same request for locked
 * memory exists: it drops the pages. The next touch would bring new ones, as a page fault in the loop, so they are brought
 * at once: still zeros, as whoever asked expects, and in RAM, as everything else.
 */
RTNODE_EXPORT int madvise(void *start, size_t length, int advice)
{
    int before = errno;
    long result = syscall(SYS_madvise, start, length, advice);
    if (result == -1 && errno == EINVAL && advice == MADV_DONTNEED) {
        result = syscall(SYS_madvise, start, length, MADV_DONTNEED_LOCKED);
        if (!result) {
            /* Memory without rights cannot be had in RAM, nor touched. */
            (void)syscall(SYS_madvise, start, length, MADV_POPULATE_WRITE);
            errno = before;
        }
    }
    return (int)result;
}

static void problem(int strict, const char *text)
{
    char line[320];
    snprintf(line, sizeof line, "%s%s", strict ? "" : "warning: ", text);
    fprintf(stderr, "rt-launch: %s\n", line);
    notify_status(line);
    if (strict)
        _exit(EXIT_LAUNCHER);
}

static size_t number_of(const char *variable)
{
    const char *text = getenv(variable);
    return text ? (size_t)strtoull(text, NULL, 10) : 0;
}

static void touch(volatile char *memory, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < size; i += page)
        memory[i] = 0;
}

__attribute__((noinline)) static void touch_stack(size_t size)
{
    /* The launcher made RLIMIT_STACK wide enough. */
    volatile char stack[size];
    touch(stack, size);
}

static int touch_heap(size_t size)
{
    char *heap = malloc(size);
    if (!heap)
        return -1;
    touch(heap, size);
    /* With trimming off and no separate mappings it stays in the heap, touched. */
    free(heap);
    return 0;
}

/* VmLck of /proc/self/status in KiB, or -1. */
static long locked_kib(void)
{
    long kib = -1;
    char line[256];
    FILE *status = fopen("/proc/self/status", "re");
    if (!status)
        return -1;
    while (kib < 0 && fgets(line, sizeof line, status))
        if (!strncmp(line, "VmLck:", 6))
            kib = strtol(line + 6, NULL, 10);
    fclose(status);
    return kib;
}

/* LD_PRELOAD without its first entry, which the launcher put there. */
static void leave_environment(void)
{
    const char *list = getenv("LD_PRELOAD");
    const char *others = list ? strchr(list, ':') : NULL;
    if (others)
        setenv("LD_PRELOAD", others + 1, 1);
    else
        unsetenv("LD_PRELOAD");
    unsetenv("RTNODE_LOCK");
    unsetenv("RTNODE_STACK");
    unsetenv("RTNODE_HEAP");
    unsetenv("RTNODE_AT_ONCE");
}

static void lock_and_touch(int strict, size_t stack, size_t heap)
{
    /* Freed memory stays, so that it need not be faulted in again: no trimming, no mappings that free() returns. */
    if (!mallopt(M_TRIM_THRESHOLD, -1) || !mallopt(M_MMAP_MAX, 0))
        problem(strict, "mallopt: the allocator cannot be told to keep its memory");
    if (mlockall(MCL_CURRENT | MCL_FUTURE)) {
        char text[256];
        struct rlimit limit = {0};
        getrlimit(RLIMIT_MEMLOCK, &limit);
        snprintf(text, sizeof text,
                 "mlockall: %s: RLIMIT_MEMLOCK is %" PRIu64 " bytes, the program has more; join group realtime and log in "
                 "again, or set LimitMEMLOCK=infinity in the unit",
                 strerror(errno), (uint64_t)limit.rlim_cur);
        problem(strict, text);
        return;
    }
    if (stack)
        touch_stack(stack);
    if (heap && touch_heap(heap))
        problem(strict, "malloc: the heap that was asked for cannot be had; ask for less, or raise RLIMIT_MEMLOCK");
    if (locked_kib() <= 0)
        problem(strict, "/proc/self/status: VmLck is 0 after mlockall");
}

/* The program will not call rtnode_ready: all that takes long of its start-up is over now. */
static void limit_run_time(int strict)
{
    int error = rtnode_limit_run_time();
    if (!error)
        return;
    const char *us = getenv("RTNODE_RTTIME");
    char text[256];
    snprintf(text, sizeof text,
             "setrlimit: RLIMIT_RTTIME of %s us cannot be had: %s; a seccomp filter may be why (SystemCallFilter= of the "
             "unit)",
             us ? us : "?", strerror(-error));
    problem(strict, text);
}

/*
 * In a program that was started without standard error the next file that is opened would get its number, and the log
 * with it.
 */
static void keep_standard_error(void)
{
    int file = fcntl(STDERR_FILENO, F_GETFD) < 0 ? 0 : STDERR_FILENO;
    while (file >= 0 && file < STDERR_FILENO)
        file = open("/dev/null", O_RDWR);
}

__attribute__((constructor)) static void start(void)
{
    keep_standard_error();
    const char *lock = getenv("RTNODE_LOCK");
    if (!lock)
        return;
    int strict = strcmp(lock, "warn") != 0;
    size_t stack = number_of("RTNODE_STACK");
    size_t heap = number_of("RTNODE_HEAP");
    bool at_once = number_of("RTNODE_AT_ONCE") != 0;
    leave_environment();
    lock_and_touch(strict, stack, heap);
    if (at_once)
        limit_run_time(strict);
}
