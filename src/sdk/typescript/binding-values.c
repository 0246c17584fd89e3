#include "binding-values.h"

napi_value small(napi_env env, int value)
{
    napi_value result = NULL;
    napi_create_int32(env, value, &result);
    return result;
}

bool arguments(napi_env env, napi_callback_info info, size_t wanted, napi_value *values)
{
    size_t count = MAX_ARGUMENTS;
    if (napi_get_cb_info(env, info, &count, values, NULL, NULL) == napi_ok && count == wanted)
        return true;
    napi_throw_type_error(env, NULL, "rtnode: wrong number of arguments");
    return false;
}

bool integer(napi_env env, napi_value value, int32_t *result)
{
    if (napi_get_value_int32(env, value, result) == napi_ok)
        return true;
    napi_throw_type_error(env, NULL, "rtnode: not a number");
    return false;
}

bool string(napi_env env, napi_value value, char *text, size_t size)
{
    size_t length = 0;
    if (napi_get_value_string_utf8(env, value, NULL, 0, &length) == napi_ok && length < size &&
        napi_get_value_string_utf8(env, value, text, size, &length) == napi_ok)
        return true;
    napi_throw_type_error(env, NULL, "rtnode: not a text, or too long");
    return false;
}

bool keep_array(napi_env env, napi_value value, napi_typedarray_type type, void **data, size_t *length)
{
    napi_typedarray_type got;
    napi_ref reference;
    if (napi_get_typedarray_info(env, value, &got, length, data, NULL, NULL) == napi_ok && got == type &&
        napi_create_reference(env, value, 1, &reference) == napi_ok)
        return true;
    napi_throw_type_error(env, NULL, "rtnode: not the typed array that is needed");
    return false;
}
