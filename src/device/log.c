#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rtnode.h"

enum { RING = 1 << 16, PATIENCE_MS = 1000 };

/*
 * Lines, each with its end. `written` and `read` count bytes and wrap; the loop alone moves `written`, the drain alone
 * `read`. Static: locked with the rest of the program, and nothing to allocate.
 */
static char ring[RING];
static uint32_t written, taken;
static uint64_t lost;

/* Says how many lines were lost. What of it is not out yet comes before the next line. */
static struct {
    char text[80];
    size_t length, at;
} notice;

static void put(uint32_t at, const char *bytes, size_t length)
{
    size_t place = at % RING;
    size_t first = length < RING - place ? length : RING - place;
    memcpy(ring + place, bytes, first);
    memcpy(ring, bytes + first, length - first);
}

int rtnode_log(const char *text, size_t length)
{
    uint32_t at = written;
    uint32_t waiting = at - __atomic_load_n(&taken, __ATOMIC_ACQUIRE);
    if (length >= RING - waiting) {
        __atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
        return -ENOBUFS;
    }
    put(at, text, length);
    put(at + (uint32_t)length, "\n", 1);
    __atomic_store_n(&written, at + (uint32_t)length + 1, __ATOMIC_RELEASE);
    return 0;
}

uint64_t log_lost(void)
{
    return __atomic_load_n(&lost, __ATOMIC_RELAXED);
}

/* What came of writing. Full: whoever reads is behind. Gone: there is nobody. */
enum outcome { WELL, FULL, GONE };

/* Writes what is taken without waiting longer than `patience` milliseconds for more; `at` says up to where. */
static enum outcome write_out(const char *bytes, size_t length, int patience, size_t *at)
{
    while (*at < length) {
        struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
        int ready = poll(&out, 1, patience);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0)
            return FULL;
        if (ready < 0 || out.revents & (POLLERR | POLLNVAL))
            return GONE;
        size_t left = length - *at;
        /* A pipe that is ready takes this much without waiting (pipe(7)); Node makes its pipes not wait at all. */
        ssize_t done = write(STDERR_FILENO, bytes + *at, left < 4096 ? left : 4096);
        if (done < 0 && errno != EINTR && errno != EAGAIN)
            return GONE;
        if (done > 0)
            *at += (size_t)done;
    }
    return WELL;
}

/* The lines of which not all is out. */
static uint64_t ends_between(uint32_t at, uint32_t end)
{
    uint64_t lines = 0;
    for (; at != end; at++)
        lines += ring[at % RING] == '\n';
    return lines;
}

static enum outcome write_notice(int patience)
{
    enum outcome outcome = write_out(notice.text, notice.length, patience, &notice.at);
    if (outcome == GONE)
        notice.at = notice.length;
    return outcome;
}

static void make_notice(void)
{
    static uint64_t said;
    uint64_t now = log_lost();
    if (now == said)
        return;
    notice.length = (size_t)snprintf(notice.text, sizeof notice.text,
                                     "rtnode: %" PRIu64 " lines of the log found no room\n", now - said);
    notice.at = 0;
    said = now;
}

static void drain(int patience, bool is_last)
{
    uint32_t end = __atomic_load_n(&written, __ATOMIC_ACQUIRE);
    uint32_t at = taken;
    enum outcome outcome = write_notice(patience);
    while (at != end && outcome == WELL) {
        size_t place = at % RING;
        size_t length = end - at < RING - place ? end - at : RING - place;
        size_t done = 0;
        outcome = write_out(ring + place, length, patience, &done);
        at += (uint32_t)done;
    }
    /* Without a reader the ring is for what comes next; and the program's end waits for nobody. */
    if (outcome == GONE || is_last) {
        __atomic_fetch_add(&lost, ends_between(at, end), __ATOMIC_RELAXED);
        at = end;
    }
    __atomic_store_n(&taken, at, __ATOMIC_RELEASE);
    /* Only here, where a line ends: all that waited is out. */
    if (outcome == WELL) {
        make_notice();
        (void)write_notice(patience);
    }
}

void log_drain(void)
{
    drain(0, false);
}

void log_finish(void)
{
    drain(PATIENCE_MS, true);
}
