/* What each request does. */
#ifndef REQUESTS_H
#define REQUESTS_H

#include <stdint.h>

/* Acts on a request and answers it, by link_answer or link_refuse. */
void requests_handle(uint8_t type, const uint8_t *payload, unsigned length);

#endif
