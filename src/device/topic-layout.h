/* The layout of a topic's record, as text: "position:f64,flags:u8,torques:f32[3]" (rtnode.h). */
#ifndef RTNODE_TOPIC_LAYOUT_H
#define RTNODE_TOPIC_LAYOUT_H

#include <stddef.h>

/* Bytes of a struct with these members on all our processors; 0 when the text is not a layout. */
size_t layout_size(const char *layout);

#endif
