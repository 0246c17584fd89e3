#include "binding-topics.h"

#include <errno.h>

#include "../../device/rtnode.h"
#include "binding-values.h"

enum { MAX_TOPICS = 256, MAX_LAYOUT = 4096 };

/* A topic with the memory of its typed arrays: the record, and when it was published. */
static struct {
    struct rtnode_topic *topic;
    void *record;
    double *published;
} topics[MAX_TOPICS];
static int topic_count;

/* topicOpen(name, layout, record: Uint8Array, published: Float64Array, role): a number that stands for it. */
napi_value topic_open(napi_env env, napi_callback_info info)
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
napi_value publish(napi_env env, napi_callback_info info)
{
    int32_t topic;
    return opened(env, info, &topic) ? small(env, rtnode_publish(topics[topic].topic, topics[topic].record)) : NULL;
}

/* receive(topic): into the record's memory; 1, 0 or -errno as rtnode_receive. */
napi_value receive(napi_env env, napi_callback_info info)
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

napi_value topic_close(napi_env env, napi_callback_info info)
{
    int32_t topic;
    if (!opened(env, info, &topic))
        return NULL;
    rtnode_topic_close(topics[topic].topic);
    topics[topic].topic = NULL;
    return small(env, 0);
}
