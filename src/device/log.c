#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
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

/* Writes all of it; gives up when there is nobody to read, or nobody does for a second. */
static bool write_out(const char *bytes, size_t length)
{
    while (length > 0) {
        struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
        int ready = poll(&out, 1, PATIENCE_MS);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0 || out.revents & (POLLERR | POLLNVAL))
            return false;
        /* A pipe that is ready takes this much without waiting (pipe(7)); Node makes its pipes not wait at all. */
        ssize_t done = write(STDERR_FILENO, bytes, length < 4096 ? length : 4096);
        if (done < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        if (done > 0) {
            bytes += done;
            length -= (size_t)done;
        }
    }
    return true;
}

bool log_drain(void)
{
    static uint64_t said;
    uint32_t end = __atomic_load_n(&written, __ATOMIC_ACQUIRE);
    uint32_t at = taken;
    bool well = true;
    while (at != end && well) {
        size_t place = at % RING;
        size_t length = end - at < RING - place ? end - at : RING - place;
        well = write_out(ring + place, length);
        at += (uint32_t)length;
    }
    /* What nobody reads is given up: the ring is for what comes next. */
    __atomic_store_n(&taken, well ? at : end, __ATOMIC_RELEASE);
    uint64_t now = log_lost();
    if (well && now != said) {
        char line[80];
        int length = snprintf(line, sizeof line, "rtnode: %" PRIu64 " lines of the log found no room\n", now - said);
        well = write_out(line, (size_t)length);
        said = now;
    }
    return well;
}
