/* systemd's notification protocol: sd_notify(3), "Notes". */
#ifndef RTNODE_NOTIFY_H
#define RTNODE_NOTIFY_H

/* Opens a socket to whoever started this process and wants to hear of it; -1 for the socket when nobody does. 0, or -errno. */
int notify_open(int *notify);

/* Sends a message such as "READY=1"; 0 also when there is no socket (a negative one). */
int notify_send(int notify, const char *message);

/* Says in the unit's status line what is wrong; nothing when nobody wants to hear of it. */
void notify_status(const char *text);

#endif
