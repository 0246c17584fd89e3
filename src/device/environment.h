/* The environment that the program inherits. Each leaves with EXIT_LAUNCHER when there is no memory for it. */
#ifndef RTNODE_ENVIRONMENT_H
#define RTNODE_ENVIRONMENT_H

#include "options.h"

void set_variable(const char *name, const char *value);
void set_number(const char *name, uint64_t value);

/* The variables that were asked for, and what the SDKs are told. */
void apply_environment(const struct options *options);

#endif
