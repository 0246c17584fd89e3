/* Topics for JavaScript: see topic.ts, and addon.ts for what each takes. */
#ifndef RTNODE_BINDING_TOPICS_H
#define RTNODE_BINDING_TOPICS_H

#include <js_native_api.h>

napi_value topic_open(napi_env env, napi_callback_info info);
napi_value publish(napi_env env, napi_callback_info info);
napi_value receive(napi_env env, napi_callback_info info);
napi_value topic_close(napi_env env, napi_callback_info info);

#endif
