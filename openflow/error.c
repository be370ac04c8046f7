/* Names of results: OpenFlow's from the table in error.h, errno's from the C library. */
#include "openflow/error.h"

#include <string.h>

const char *ofp_error_string(int result)
{
	const char *text;

#define OFP_ERROR_NAME(name, type, code) \
	case OFP_ERROR(type, code):      \
		return #name;
	if (ofp_error_is(result)) {
		switch (-result) {
			OFP_ERRORS(OFP_ERROR_NAME)
		default:
			return "an OpenFlow error without a name";
		}
	}
	text = strerrordesc_np(result < 0 ? -result : result);
	return text ? text : "unknown error";
}
