/* rt-launch show: what a process really has, for people and as JSON. */
#ifndef RTNODE_SHOW_H
#define RTNODE_SHOW_H

/* The words after `show`: [--json] PID. Returns 0, or 1 when there is no such process (any more); leaves with
   EXIT_LAUNCHER when it cannot be told. */
int show(int count, char **words);

#endif
