/* The nodes of a board, looked at once a second, for rt-launch show --watch. */
#ifndef RTNODE_SHOW_WATCH_H
#define RTNODE_SHOW_WATCH_H

/* Writes a line of JSON each second until nobody reads them. Leaves with EXIT_LAUNCHER when it cannot. */
void show_watch(void) __attribute__((noreturn));

#endif
