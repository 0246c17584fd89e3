/* What the functions of the binding take from JavaScript and give to it. Each that fails has thrown there already. */
#ifndef RTNODE_BINDING_VALUES_H
#define RTNODE_BINDING_VALUES_H

#include <js_native_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_ARGUMENTS = 5 };

napi_value small(napi_env env, int value);

/* The arguments, when there are as many as wanted; `values` has room for MAX_ARGUMENTS. */
bool arguments(napi_env env, napi_callback_info info, size_t wanted, napi_value *values);

bool integer(napi_env env, napi_value value, int32_t *result);

/* A text that fits; a longer one would be cut off without a word, so its length is asked for first. */
bool string(napi_env env, napi_value value, char *text, size_t size);

/* The memory of a typed array, kept for good. It must not move: the array has an ArrayBuffer of its own. */
bool keep_array(napi_env env, napi_value value, napi_typedarray_type type, void **data, size_t *length);

#endif
