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
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "../../device/rtnode.h"
#include "binding-topics.h"
#include "binding-values.h"

enum { MAX_LINE = 4096 };

static volatile sig_atomic_t stop_requested, in_loop;
static struct sigaction chained[NSIG];

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
