/*
 * rtnode.node: what a loop in Node.js cannot have from Node's core: an absolute-time sleep, unix datagrams, a stop flag
 * that a busy event loop still sees. Every function returns a small integer, since any other result allocates on V8's
 * heap; numbers that do not fit go through a Float64Array that both sides keep. A negative result is -errno.
 */
#include <errno.h>
#include <js_native_api.h>
#include <node_api.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../device/runtime.h"

enum { MAX_ARGUMENTS = 4, MAX_PEERS = 64 };
enum { NOW, DEADLINE, TIMES }; /* members of the shared array, nanoseconds of CLOCK_MONOTONIC */

static double *times;
static volatile sig_atomic_t stop_requested;
static struct sigaction chained[NSIG];
static struct sockaddr_un peers[MAX_PEERS];
static int peer_count;

static napi_value small(napi_env env, int value)
{
    napi_value result = NULL;
    napi_create_int32(env, value, &result);
    return result;
}

static bool arguments(napi_env env, napi_callback_info info, size_t wanted, napi_value *values)
{
    size_t count = MAX_ARGUMENTS;
    if (napi_get_cb_info(env, info, &count, values, NULL, NULL) == napi_ok && count == wanted)
        return true;
    napi_throw_type_error(env, NULL, "rtnode: wrong number of arguments");
    return false;
}

static bool integer(napi_env env, napi_value value, int32_t *result)
{
    if (napi_get_value_int32(env, value, result) == napi_ok)
        return true;
    napi_throw_type_error(env, NULL, "rtnode: not a number");
    return false;
}

static bool array(napi_env env, napi_value value, napi_typedarray_type type, void **data, size_t *length)
{
    napi_typedarray_type got;
    if (napi_get_typedarray_info(env, value, &got, length, data, NULL, NULL) == napi_ok && got == type)
        return true;
    napi_throw_type_error(env, NULL, "rtnode: not the typed array that is needed");
    return false;
}

/* attach(times: Float64Array): the array that now() and sleepUntil() use from here on; its memory must not move. */
static napi_value attach(napi_env env, napi_callback_info info)
{
    napi_value values[MAX_ARGUMENTS];
    napi_ref reference;
    void *data;
    size_t length;
    if (!arguments(env, info, 1, values) || !array(env, values[0], napi_float64_array, &data, &length))
        return NULL;
    if (length < TIMES || napi_create_reference(env, values[0], 1, &reference) != napi_ok)
        return small(env, -EINVAL);
    times = data;
    return small(env, 0);
}

/* now(): times[NOW] becomes the time. */
static napi_value now(napi_env env, napi_callback_info info)
{
    (void)info;
    if (!times)
        return small(env, -EINVAL);
    times[NOW] = (double)rtnode_now();
    return small(env, 0);
}

/* sleepUntil(): until times[DEADLINE]; 0, or -EINTR when a signal came first. */
static napi_value sleep_until(napi_env env, napi_callback_info info)
{
    (void)info;
    if (!times || !(times[DEADLINE] >= 0))
        return small(env, -EINVAL);
    return small(env, -rtnode_sleep_until((uint64_t)times[DEADLINE]));
}

static napi_value started(napi_env env, napi_callback_info info)
{
    (void)info;
    return small(env, -rtnode_started());
}

static void on_signal(int number)
{
    stop_requested = 1;
    void (*previous)(int) = chained[number].sa_handler;
    if (previous != SIG_DFL && previous != SIG_IGN)
        previous(number);
}

/* catchSignals(): SIGTERM and SIGINT set the stop flag at once; Node's own handler still hears them later. */
static napi_value catch_signals(napi_env env, napi_callback_info info)
{
    (void)info;
    static bool caught;
    /* Without SA_RESTART: the sleep ends. */
    struct sigaction action = {.sa_handler = on_signal};
    if (!caught && (sigaction(SIGTERM, &action, &chained[SIGTERM]) || sigaction(SIGINT, &action, &chained[SIGINT])))
        return small(env, -errno);
    caught = true;
    return small(env, 0);
}

static napi_value stop_flag(napi_env env, napi_callback_info info)
{
    (void)info;
    return small(env, stop_requested);
}

/* leave(status): ends the process without tearing V8 down. Node writes to files, pipes and terminals at once. */
static napi_value leave(napi_env env, napi_callback_info info)
{
    napi_value values[MAX_ARGUMENTS];
    int32_t status;
    if (!arguments(env, info, 1, values) || !integer(env, values[0], &status))
        return NULL;
    fflush(NULL);
    _exit(status);
}

static int address_of(napi_env env, napi_value value, struct sockaddr_un *address)
{
    size_t length = 0;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    /* The first call counts: the second would cut a long path off without a word. */
    if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok)
        return -EINVAL;
    if (length == 0 || length >= sizeof address->sun_path)
        return -ENAMETOOLONG;
    napi_get_value_string_utf8(env, value, address->sun_path, sizeof address->sun_path, &length);
    return 0;
}

/* datagramOpen(path): a descriptor, bound to the path. */
static napi_value datagram_open(napi_env env, napi_callback_info info)
{
    napi_value values[MAX_ARGUMENTS];
    struct sockaddr_un address;
    if (!arguments(env, info, 1, values))
        return NULL;
    int error = address_of(env, values[0], &address);
    if (error)
        return small(env, error);
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return small(env, -errno);
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address)) {
        error = -errno;
        close(descriptor);
        return small(env, error);
    }
    return small(env, descriptor);
}

/* datagramPeer(path): a number that stands for the address, so that sending passes no string. */
static napi_value datagram_peer(napi_env env, napi_callback_info info)
{
    napi_value values[MAX_ARGUMENTS];
    if (!arguments(env, info, 1, values))
        return NULL;
    if (peer_count == MAX_PEERS)
        return small(env, -ENOSPC);
    int error = address_of(env, values[0], &peers[peer_count]);
    return small(env, error ? error : peer_count++);
}

/* datagramSend(descriptor, peer, bytes: Uint8Array): 0 or -errno. */
static napi_value datagram_send(napi_env env, napi_callback_info info)
{
    napi_value values[MAX_ARGUMENTS];
    int32_t descriptor, peer;
    void *data;
    size_t length;
    if (!arguments(env, info, 3, values) || !integer(env, values[0], &descriptor) || !integer(env, values[1], &peer) ||
        !array(env, values[2], napi_uint8_array, &data, &length))
        return NULL;
    if (peer < 0 || peer >= peer_count)
        return small(env, -EINVAL);
    ssize_t sent = sendto(descriptor, data, length, MSG_DONTWAIT, (struct sockaddr *)&peers[peer], sizeof *peers);
    return small(env, sent < 0 ? -errno : 0);
}

/* datagramReceive(descriptor, bytes: Uint8Array): the datagram's length, or -errno; -EAGAIN when there is none. */
static napi_value datagram_receive(napi_env env, napi_callback_info info)
{
    napi_value values[MAX_ARGUMENTS];
    int32_t descriptor;
    void *data;
    size_t length;
    if (!arguments(env, info, 2, values) || !integer(env, values[0], &descriptor) ||
        !array(env, values[1], napi_uint8_array, &data, &length))
        return NULL;
    /* MSG_TRUNC: the whole length, so that a datagram that does not fit is seen as such (recv(2)). */
    ssize_t received = recv(descriptor, data, length, MSG_DONTWAIT | MSG_TRUNC);
    return small(env, received < 0 ? -errno : (size_t)received > length ? -EMSGSIZE : (int)received);
}

static napi_value datagram_close(napi_env env, napi_callback_info info)
{
    napi_value values[MAX_ARGUMENTS];
    int32_t descriptor;
    if (!arguments(env, info, 1, values) || !integer(env, values[0], &descriptor))
        return NULL;
    return small(env, close(descriptor) ? -errno : 0);
}

NAPI_MODULE_INIT()
{
    static const struct {
        const char *name;
        napi_callback function;
    } functions[] = {
        {"attach", attach},
        {"now", now},
        {"sleepUntil", sleep_until},
        {"started", started},
        {"catchSignals", catch_signals},
        {"stopRequested", stop_flag},
        {"leave", leave},
        {"datagramOpen", datagram_open},
        {"datagramPeer", datagram_peer},
        {"datagramSend", datagram_send},
        {"datagramReceive", datagram_receive},
        {"datagramClose", datagram_close},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        napi_value function;
        if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function) ||
            napi_set_named_property(env, exports, functions[i].name, function))
            return NULL;
    }
    return exports;
}
