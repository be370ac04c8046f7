/* The Internet checksum (RFC 1071), in parts. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of so many bytes, at most 64 KiB, upon what there is already; not folded. */
static inline uint32_t checksum_add(const uint8_t *bytes, size_t size, uint32_t sum)
{
	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return size & 1 ? sum + ((uint32_t)bytes[size - 1] << 8) : sum;
}

/* What it is in 16 bits; its complement is what a header has. */
static inline uint16_t checksum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}
