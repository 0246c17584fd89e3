/* Capabilities of this process (capabilities(7)), without libcap: the launcher is static. */
#ifndef RTNODE_CAPABILITY_H
#define RTNODE_CAPABILITY_H

#include <linux/capability.h>
#include <stdbool.h>

/* True when the capability is in the effective set and counts for the whole machine: root of a user namespace (a
   rootless container) has it for what belongs to that namespace only, and the scheduler does not. */
bool has_capability(unsigned capability);

/* Empties the ambient set, so that a program of an ordinary user inherits none over exec. */
void drop_ambient(void);

#endif
