/* What a node is to systemd, and the thread that speaks for it while the loop goes on. */
#ifndef RTNODE_SERVICE_H
#define RTNODE_SERVICE_H

#include <stdint.h>

#include "log.h"

/* The loop goes on: the watchdog may be fed. Writes to memory only. */
void watchdog_alive(void);

/* The loop sleeps until then, and is well for that long. */
void watchdog_wait_until(uint64_t due);

#endif
