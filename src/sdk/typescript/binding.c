/*
 * rtnode.node: librtnode.so for Node.js, and a stop flag that a busy event loop still sees. Every function that a loop
 * calls returns a small integer and takes small integers, since anything else allocates on V8's heap; what does not fit
 * goes through typed arrays that both sides keep. A negative result is -errno.
 */
#include <dlfcn.h>
#include <errno.h>
#include <js_native_api.h>
#include <node_api.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "../../device/rtnode.h"

enum { MAX_ARGUMENTS = 5, MAX_TOPICS = 256, MAX_LINE = 4096, MAX_LAYOUT = 4096 };

static volatile sig_atomic_t stop_requested, in_loop;
static struct sigaction chained[NSIG];

/* A topic with the memory of its typed arrays: the record, and when it was published. */
static struct {
    struct rtnode_topic *topic;
    void *record;
    double *published;
} topics[MAX_TOPICS];
static int topic_count;

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

/* A text that fits; a longer one would be cut off without a word, so its length is asked for first. */
static bool string(napi_env env, napi_value value, char *text, size_t size)
{
    size_t length = 0;
    if (napi_get_value_string_utf8(env, value, NULL, 0, &length) == napi_ok && length < size &&
        napi_get_value_string_utf8(env, value, text, size, &length) == napi_ok)
        return true;
    napi_throw_type_error(env, NULL, "rtnode: not a text, or too long");
    return false;
}

/* The memory of a typed array, kept for good. It must not move: the array has an ArrayBuffer of its own. */
static bool keep_array(napi_env env, napi_value value, napi_typedarray_type type, void **data, size_t *length)
{
    napi_typedarray_type got;
    napi_ref reference;
    if (napi_get_typedarray_info(env, value, &got, length, data, NULL, NULL) == napi_ok && got == type &&
        napi_create_reference(env, value, 1, &reference) == napi_ok)
        return true;
    napi_throw_type_error(env, NULL, "rtnode: not the typed array that is needed");
    return false;
}

static napi_value ready(napi_env env, napi_callback_info info)
{
    (void)info;
    return small(env, rtnode_ready());
}

static napi_value stopping(napi_env env, napi_callback_info info)
{
    (void)info;
    return small(env, rtnode_stopping());
}

/* countBegin(name, identity) */
static napi_value count_begin(napi_env env, napi_callback_info info)
{
    napi_value values[MAX_ARGUMENTS];
    char name[256], identity[256];
    if (!arguments(env, info, 2, values) || !string(env, values[0], name, sizeof name) ||
        !string(env, values[1], identity, sizeof identity))
        return NULL;
    in_loop = 1;
    return small(env, rtnode_count_begin(name, identity));
}

/* countEnd(summary: Float64Array): its members in the order of struct rtnode_summary. */
static napi_value count_end(napi_env env, napi_callback_info info)
{
    napi_value values[MAX_ARGUMENTS];
    void *data;
    size_t length;
    struct rtnode_summary s;
    if (!arguments(env, info, 1, values) || !keep_array(env, values[0], napi_float64_array, &data, &length))
        return NULL;
    in_loop = 0;
    int error = rtnode_count_end(&s);
    const double members[] = {
        (double)s.cycles,       (double)s.overruns,   (double)s.minor_faults, (double)s.major_faults,
        (double)s.involuntary_switches, (double)s.migrations, (double)s.collections,
        s.wakeup.p50,           s.wakeup.p99,         s.wakeup.p999,          s.wakeup.max,
        s.execution.p50,        s.execution.p99,      s.execution.p999,       s.execution.max,
    };
    double *summary = data;
    for (size_t i = 0; !error && i < length && i < sizeof members / sizeof *members; i++)
        summary[i] = members[i];
    return small(env, error);
}

/* loopBegin(nanoseconds, overrun) */
static napi_value loop_begin(napi_env env, napi_callback_info info)
{
    napi_value values[MAX_ARGUMENTS];
    double period;
    int32_t overrun;
    if (!arguments(env, info, 2, values) || !integer(env, values[1], &overrun))
        return NULL;
    if (napi_get_value_double(env, values[0], &period) != napi_ok || !(period >= 1 && period < 1e18))
        return small(env, -EINVAL);
    return small(env, rtnode_loop_begin((uint64_t)period, (enum rtnode_overrun)overrun));
}

/* wait(): rtnode_loop_wait; -ECANCELED once SIGTERM or SIGINT came. */
static napi_value loop_wait(napi_env env, napi_callback_info info)
{
    (void)info;
    int result;
    do {
        result = stop_requested ? -ECANCELED : rtnode_loop_wait();
    } while (result == -EINTR);
    return small(env, result >= 0 && stop_requested ? -ECANCELED : result);
}

static napi_value alive(napi_env env, napi_callback_info info)
{
    (void)info;
    rtnode_alive();
    return small(env, 0);
}

/* log(text): what is longer than a line of ours is cut off. */
static napi_value log_line(napi_env env, napi_callback_info info)
{
    napi_value values[MAX_ARGUMENTS];
    char line[MAX_LINE];
    size_t length;
    if (!arguments(env, info, 1, values))
        return NULL;
    if (napi_get_value_string_utf8(env, values[0], line, sizeof line, &length) != napi_ok)
        return small(env, -EINVAL);
    return small(env, rtnode_log(line, length));
}

static void on_collection(void *isolate, int type, int flags, void *data)
{
    (void)isolate;
    (void)type;
    (void)flags;
    (void)data;
    rtnode_count_collection();
}

/*
 * watchCollections(): V8's collections are counted. Node-API has no such call, and V8's own is C++: these are the names
 * of v8::Isolate::GetCurrent() and AddGCEpilogueCallback() in every Node.js since 12 (v8-isolate.h). -ENOSYS without them.
 */
static napi_value watch_collections(napi_env env, napi_callback_info info)
{
    (void)info;
    enum { SCAVENGE = 1, MINOR_MARK_SWEEP = 2, MARK_SWEEP_COMPACT = 4 };
    typedef void *get_current(void);
    typedef void add_callback(void *isolate, void (*callback)(void *, int, int, void *), void *data, int types);
    get_current *current = (get_current *)dlsym(RTLD_DEFAULT, "_ZN2v87Isolate10GetCurrentEv");
    add_callback *add = (add_callback *)dlsym(
        RTLD_DEFAULT,
        "_ZN2v87Isolate21AddGCEpilogueCallbackEPFvPS0_NS_6GCTypeENS_15GCCallbackFlagsEPvES4_S2_");
    if (!current || !add)
        return small(env, -ENOSYS);
    static bool watching;
    if (!watching)
        add(current(), on_collection, NULL, SCAVENGE | MINOR_MARK_SWEEP | MARK_SWEEP_COMPACT);
    watching = true;
    return small(env, 0);
}

static void on_signal(int number)
{
    stop_requested = 1;
    void (*previous)(int) = chained[number].sa_handler;
    if (previous != SIG_DFL && previous != SIG_IGN)
        previous(number);
}

/*
 * SIGXCPU: the main thread ran longer without blocking than RLIMIT_RTTIME allows. Nothing can end a loop in JavaScript but
 * the signal itself. Beside the loop there is time: blocking starts the limit anew, and the kernel has raised it by a second.
 */
static void on_runaway(int number)
{
    int before = errno;
    if (in_loop) {
        signal(number, SIG_DFL);
        raise(number);
    } else {
        const struct timespec nap = {.tv_nsec = 1000000};
        nanosleep(&nap, NULL);
        (void)rtnode_limit_run_time();
    }
    errno = before;
}

/*
 * catchSignals(): SIGTERM and SIGINT set the stop flag at once, and Node's own handler still hears them later; SIGXCPU ends
 * the loop alone.
 */
static napi_value catch_signals(napi_env env, napi_callback_info info)
{
    (void)info;
    static bool caught;
    /* Without SA_RESTART: the sleep ends. */
    struct sigaction action = {.sa_handler = on_signal}, runaway = {.sa_handler = on_runaway, .sa_flags = SA_RESTART};
    if (!caught && (sigaction(SIGTERM, &action, &chained[SIGTERM]) || sigaction(SIGINT, &action, &chained[SIGINT]) ||
                    sigaction(SIGXCPU, &runaway, NULL)))
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
    rtnode_flush();
    fflush(NULL);
    _exit(status);
}

/* topicOpen(name, layout, record: Uint8Array, published: Float64Array, role): a number that stands for it. */
static napi_value topic_open(napi_env env, napi_callback_info info)
{
    napi_value values[MAX_ARGUMENTS];
    char name[256], layout[MAX_LAYOUT];
    void *record, *published;
    size_t size, count;
    int32_t role;
    if (!arguments(env, info, 5, values) || !string(env, values[0], name, sizeof name) ||
        !string(env, values[1], layout, sizeof layout) ||
        !keep_array(env, values[2], napi_uint8_array, &record, &size) ||
        !keep_array(env, values[3], napi_float64_array, &published, &count) || !integer(env, values[4], &role))
        return NULL;
    if (topic_count == MAX_TOPICS || count < 1)
        return small(env, topic_count == MAX_TOPICS ? -ENOSPC : -EINVAL);
    int error = rtnode_topic_open(&topics[topic_count].topic, name, layout, size, (enum rtnode_role)role);
    if (error)
        return small(env, error);
    topics[topic_count].record = record;
    topics[topic_count].published = published;
    return small(env, topic_count++);
}

static bool opened(napi_env env, napi_callback_info info, int32_t *topic)
{
    napi_value values[MAX_ARGUMENTS];
    if (!arguments(env, info, 1, values) || !integer(env, values[0], topic))
        return false;
    if (*topic >= 0 && *topic < topic_count && topics[*topic].topic)
        return true;
    napi_throw_range_error(env, NULL, "rtnode: no such topic");
    return false;
}

/* publish(topic): the record's memory, as it is now. */
static napi_value publish(napi_env env, napi_callback_info info)
{
    int32_t topic;
    return opened(env, info, &topic) ? small(env, rtnode_publish(topics[topic].topic, topics[topic].record)) : NULL;
}

/* receive(topic): into the record's memory; 1, 0 or -errno as rtnode_receive. */
static napi_value receive(napi_env env, napi_callback_info info)
{
    int32_t topic;
    if (!opened(env, info, &topic))
        return NULL;
    uint64_t published = 0;
    int result = rtnode_receive(topics[topic].topic, topics[topic].record, &published);
    if (result >= 0)
        *topics[topic].published = (double)published;
    return small(env, result);
}

static napi_value topic_close(napi_env env, napi_callback_info info)
{
    int32_t topic;
    if (!opened(env, info, &topic))
        return NULL;
    rtnode_topic_close(topics[topic].topic);
    topics[topic].topic = NULL;
    return small(env, 0);
}

NAPI_MODULE_INIT()
{
    static const struct {
        const char *name;
        napi_callback function;
    } functions[] = {
        {"ready", ready},
        {"stopping", stopping},
        {"countBegin", count_begin},
        {"countEnd", count_end},
        {"loopBegin", loop_begin},
        {"wait", loop_wait},
        {"alive", alive},
        {"log", log_line},
        {"watchCollections", watch_collections},
        {"catchSignals", catch_signals},
        {"stopRequested", stop_flag},
        {"leave", leave},
        {"topicOpen", topic_open},
        {"publish", publish},
        {"receive", receive},
        {"topicClose", topic_close},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        napi_value function;
        if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function) ||
            napi_set_named_property(env, exports, functions[i].name, function))
            return NULL;
    }
    return exports;
}
