/* OpenFlow errors share one int with errno: a result is 0, -errno, or -OFP_ERROR(type, code),
 * whose magnitude lies above 1 << 30 (OpenFlow 1.3.5, section 7.4.4). */
#pragma once

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

#define OFP_ERROR_BASE (1 << 30)
#define OFP_ERROR(type, code) (OFP_ERROR_BASE | (type) << 16 | (code))

/* X(name, type, code): the type is ofp_error_type of OpenFlow 1.3.5 */
#define OFP_ERRORS(X)                                   \
	X(HELLO_FAILED_INCOMPATIBLE, 0, 0)              \
	X(HELLO_FAILED_EPERM, 0, 1)                     \
	X(BAD_REQUEST_BAD_VERSION, 1, 0)                \
	X(BAD_REQUEST_BAD_TYPE, 1, 1)                   \
	X(BAD_REQUEST_BAD_MULTIPART, 1, 2)              \
	X(BAD_REQUEST_BAD_EXPERIMENTER, 1, 3)           \
	X(BAD_REQUEST_BAD_EXP_TYPE, 1, 4)               \
	X(BAD_REQUEST_EPERM, 1, 5)                      \
	X(BAD_REQUEST_BAD_LEN, 1, 6)                    \
	X(BAD_REQUEST_BUFFER_EMPTY, 1, 7)               \
	X(BAD_REQUEST_BUFFER_UNKNOWN, 1, 8)             \
	X(BAD_REQUEST_BAD_TABLE_ID, 1, 9)               \
	X(BAD_REQUEST_IS_SLAVE, 1, 10)                  \
	X(BAD_REQUEST_BAD_PORT, 1, 11)                  \
	X(BAD_REQUEST_BAD_PACKET, 1, 12)                \
	X(BAD_REQUEST_MULTIPART_BUFFER_OVERFLOW, 1, 13) \
	X(BAD_ACTION_BAD_TYPE, 2, 0)                    \
	X(BAD_ACTION_BAD_LEN, 2, 1)                     \
	X(BAD_ACTION_BAD_EXPERIMENTER, 2, 2)            \
	X(BAD_ACTION_BAD_EXP_TYPE, 2, 3)                \
	X(BAD_ACTION_BAD_OUT_PORT, 2, 4)                \
	X(BAD_ACTION_BAD_ARGUMENT, 2, 5)                \
	X(BAD_ACTION_EPERM, 2, 6)                       \
	X(BAD_ACTION_TOO_MANY, 2, 7)                    \
	X(BAD_ACTION_BAD_QUEUE, 2, 8)                   \
	X(BAD_ACTION_BAD_OUT_GROUP, 2, 9)               \
	X(BAD_ACTION_MATCH_INCONSISTENT, 2, 10)         \
	X(BAD_ACTION_UNSUPPORTED_ORDER, 2, 11)          \
	X(BAD_ACTION_BAD_TAG, 2, 12)                    \
	X(BAD_ACTION_BAD_SET_TYPE, 2, 13)               \
	X(BAD_ACTION_BAD_SET_LEN, 2, 14)                \
	X(BAD_ACTION_BAD_SET_ARGUMENT, 2, 15)           \
	X(BAD_INSTRUCTION_UNKNOWN_INST, 3, 0)           \
	X(BAD_INSTRUCTION_UNSUP_INST, 3, 1)             \
	X(BAD_INSTRUCTION_BAD_TABLE_ID, 3, 2)           \
	X(BAD_INSTRUCTION_UNSUP_METADATA, 3, 3)         \
	X(BAD_INSTRUCTION_UNSUP_METADATA_MASK, 3, 4)    \
	X(BAD_INSTRUCTION_BAD_EXPERIMENTER, 3, 5)       \
	X(BAD_INSTRUCTION_BAD_EXP_TYPE, 3, 6)           \
	X(BAD_INSTRUCTION_BAD_LEN, 3, 7)                \
	X(BAD_INSTRUCTION_EPERM, 3, 8)                  \
	X(BAD_MATCH_BAD_TYPE, 4, 0)                     \
	X(BAD_MATCH_BAD_LEN, 4, 1)                      \
	X(BAD_MATCH_BAD_TAG, 4, 2)                      \
	X(BAD_MATCH_BAD_DL_ADDR_MASK, 4, 3)             \
	X(BAD_MATCH_BAD_NW_ADDR_MASK, 4, 4)             \
	X(BAD_MATCH_BAD_WILDCARDS, 4, 5)                \
	X(BAD_MATCH_BAD_FIELD, 4, 6)                    \
	X(BAD_MATCH_BAD_VALUE, 4, 7)                    \
	X(BAD_MATCH_BAD_MASK, 4, 8)                     \
	X(BAD_MATCH_BAD_PREREQ, 4, 9)                   \
	X(BAD_MATCH_DUP_FIELD, 4, 10)                   \
	X(BAD_MATCH_EPERM, 4, 11)                       \
	X(FLOW_MOD_FAILED_UNKNOWN, 5, 0)                \
	X(FLOW_MOD_FAILED_TABLE_FULL, 5, 1)             \
	X(FLOW_MOD_FAILED_BAD_TABLE_ID, 5, 2)           \
	X(FLOW_MOD_FAILED_OVERLAP, 5, 3)                \
	X(FLOW_MOD_FAILED_EPERM, 5, 4)                  \
	X(FLOW_MOD_FAILED_BAD_TIMEOUT, 5, 5)            \
	X(FLOW_MOD_FAILED_BAD_COMMAND, 5, 6)            \
	X(FLOW_MOD_FAILED_BAD_FLAGS, 5, 7)              \
	X(GROUP_MOD_FAILED_GROUP_EXISTS, 6, 0)          \
	X(GROUP_MOD_FAILED_INVALID_GROUP, 6, 1)         \
	X(GROUP_MOD_FAILED_WEIGHT_UNSUPPORTED, 6, 2)    \
	X(GROUP_MOD_FAILED_OUT_OF_GROUPS, 6, 3)         \
	X(GROUP_MOD_FAILED_OUT_OF_BUCKETS, 6, 4)        \
	X(GROUP_MOD_FAILED_CHAINING_UNSUPPORTED, 6, 5)  \
	X(GROUP_MOD_FAILED_WATCH_UNSUPPORTED, 6, 6)     \
	X(GROUP_MOD_FAILED_LOOP, 6, 7)                  \
	X(GROUP_MOD_FAILED_UNKNOWN_GROUP, 6, 8)         \
	X(GROUP_MOD_FAILED_CHAINED_GROUP, 6, 9)         \
	X(GROUP_MOD_FAILED_BAD_TYPE, 6, 10)             \
	X(GROUP_MOD_FAILED_BAD_COMMAND, 6, 11)          \
	X(GROUP_MOD_FAILED_BAD_BUCKET, 6, 12)           \
	X(GROUP_MOD_FAILED_BAD_WATCH, 6, 13)            \
	X(GROUP_MOD_FAILED_EPERM, 6, 14)                \
	X(PORT_MOD_FAILED_BAD_PORT, 7, 0)               \
	X(PORT_MOD_FAILED_EPERM, 7, 4)                  \
	X(TABLE_MOD_FAILED_EPERM, 8, 2)                 \
	X(SWITCH_CONFIG_FAILED_BAD_FLAGS, 10, 0)        \
	X(ROLE_REQUEST_FAILED_STALE, 11, 0)             \
	X(ROLE_REQUEST_FAILED_UNSUP, 11, 1)             \
	X(ROLE_REQUEST_FAILED_BAD_ROLE, 11, 2)          \
	X(METER_MOD_FAILED_UNKNOWN, 12, 0)

#define OFP_ERROR_ENUM(name, type, code) OFP_##name = OFP_ERROR(type, code),
enum ofp_error_code { OFP_ERRORS(OFP_ERROR_ENUM) };

static inline bool ofp_error_is(int result)
{
	return result <= -OFP_ERROR_BASE;
}
static inline uint16_t ofp_error_type(int result)
{
	return (uint16_t)((-result & 0x3fffffff) >> 16);
}
static inline uint16_t ofp_error_code(int result)
{
	return (uint16_t)-result;
}

/* Names both kinds: "FLOW_MOD_FAILED_TABLE_FULL", "Connection reset by peer".  Never NULL. */
const char *ofp_error_string(int result);
