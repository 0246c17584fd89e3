/* The log of the loop: a ring in memory that one thread fills and another one empties (log.c). */
#ifndef RTNODE_LOG_H
#define RTNODE_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* Lines that found no room. */
uint64_t log_lost(void);

/* Writes what waits to standard error; false when nobody took it for a second. For one thread at a time. */
bool log_drain(void);

#endif
