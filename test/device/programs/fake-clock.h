/* A clock that a test moves: linked into a program it takes the place of the C library's (fake-clock.c). */
#ifndef FAKE_CLOCK_H
#define FAKE_CLOCK_H

#include <stdint.h>

#ifdef FAKE_CLOCK

/* The time goes on by so many nanoseconds. */
void fake_clock_pass(uint64_t ns);

/* From now on a sleep ends so much later than it was told to. */
void fake_clock_wake_late(uint64_t ns);

/* A signal ends the next sleep after so many nanoseconds, if that is not over before. */
void fake_clock_interrupt(uint64_t ns);

#else

#define fake_clock_pass(ns) ((void)(ns))
#define fake_clock_wake_late(ns) ((void)(ns))
#define fake_clock_interrupt(ns) ((void)(ns))

#endif
#endif
