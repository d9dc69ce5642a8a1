// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* One frame: a byte of interface and clock, then the frame. */
#include "check.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	if (!size || size > 65536)
		return 0;
	fuzz_reset();
	fuzz_user.now_ns += (__u64)(data[0] >> 2) << (LB_TICK_SHIFT + 2);
	fuzz_frame(data + 1, size - 1, data[0] & 3);
	return 0;
}
