#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int notify_open(int *notify)
{
    *notify = -1;
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path || !*path)
        return 0;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path || (*path != '/' && *path != '@'))
        return -EINVAL;
    memcpy(address.sun_path, path, length);
    /* An abstract socket (unix(7)). */
    if (*path == '@')
        address.sun_path[0] = '\0';
    int made = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (made < 0)
        return -errno;
    if (connect(made, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length))) {
        int error = -errno;
        close(made);
        return error;
    }
    *notify = made;
    return 0;
}

int notify_send(int notify, const char *message)
{
    if (notify < 0)
        return 0;
    return send(notify, message, strlen(message), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

void notify_status(const char *text)
{
    char message[1200];
    int notify;
    if (notify_open(&notify) || notify < 0)
        return;
    snprintf(message, sizeof message, "STATUS=%s", text);
    /* It is on standard error already. */
    (void)notify_send(notify, message);
    close(notify);
}
