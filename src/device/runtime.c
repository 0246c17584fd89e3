#include "runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

uint64_t rtnode_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

int rtnode_sleep_until(uint64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

int rtnode_started(void)
{
    const char *text = getenv("RTNODE_RTTIME");
    if (!text)
        return 0;
    char *rest;
    errno = 0;
    unsigned long long us = strtoull(text, &rest, 10);
    if (errno || *rest || us == 0)
        return EINVAL;
    struct rlimit limit = {.rlim_cur = us, .rlim_max = 2 * us}, got;
    if (setrlimit(RLIMIT_RTTIME, &limit) || getrlimit(RLIMIT_RTTIME, &got))
        return errno;
    return got.rlim_cur == limit.rlim_cur && got.rlim_max == limit.rlim_max ? 0 : EPROTO;
}
