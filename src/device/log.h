/* The log of the loop: a ring in memory that one thread fills and another one empties (log.c). */
#ifndef RTNODE_LOG_H
#define RTNODE_LOG_H

#include <stdint.h>

/* Lines that found no room, or nobody to read them. */
uint64_t log_lost(void);

/* Writes what waits to standard error, as much as is taken at once; the rest waits on. For one thread at a time. */
void log_drain(void);

/* Writes the rest before the program ends: what nobody takes for a second is lost. */
void log_finish(void);

#endif
