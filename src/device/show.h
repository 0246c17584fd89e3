/* rt-launch show: what processes really have, for people and as JSON. */
#ifndef RTNODE_SHOW_H
#define RTNODE_SHOW_H

/* The words after `show`: [--json] PID..., as JSON a line for each. Returns 0, or 1 when one of the processes is not there
   (any more); leaves with EXIT_LAUNCHER when it cannot be told. */
int show(int count, char **words);

#endif
