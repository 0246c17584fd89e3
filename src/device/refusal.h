/* Why the kernel refused the scheduling that was asked for. */
#ifndef RTNODE_REFUSAL_H
#define RTNODE_REFUSAL_H

#include "attributes.h"

/* Reports the error of sched_setattr(2): the limit, right or kernel option that is the cause, and the remedy. */
void explain_refusal(const struct attributes *wanted, int error);

#endif
