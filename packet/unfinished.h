/* Frames whose kernel left the transport's checksum to a device that they never reached: in its
 * place is the sum of the pseudo-header alone, as in all that comes from a virtual machine or a
 * container on the same host.  Who copies such a frame out of the kernel has to finish it.  No I/O.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Finishes the checksum of a TCP or UDP packet in an Ethernet frame, in place; anything else, a
 * finished one included, is left as it is. */
void unfinished_complete(uint8_t *frame, size_t size);
