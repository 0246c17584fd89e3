#include "fake-clock.h"

#include <errno.h>
#include <time.h>

/* It begins somewhere, as CLOCK_MONOTONIC does. */
static uint64_t now = 1234567890123, lateness, interruption = UINT64_MAX;

void fake_clock_pass(uint64_t ns)
{
    now += ns;
}

void fake_clock_wake_late(uint64_t ns)
{
    lateness = ns;
}

void fake_clock_interrupt(uint64_t ns)
{
    interruption = ns;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    (void)clock;
    *time = (struct timespec){.tv_sec = (time_t)(now / 1000000000), .tv_nsec = (long)(now % 1000000000)};
    return 0;
}

/* Only as the loop calls it: until an absolute time. */
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
    (void)left;
    if (clock != CLOCK_MONOTONIC || flags != TIMER_ABSTIME || time->tv_nsec < 0 || time->tv_nsec > 999999999)
        return EINVAL;
    uint64_t until = (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec;
    uint64_t signal = interruption;
    interruption = UINT64_MAX;
    if (signal != UINT64_MAX && now + signal < until) {
        now += signal;
        return EINTR;
    }
    if (until > now)
        now = until;
    now += lateness;
    return 0;
}
