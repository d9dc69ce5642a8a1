// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* One frame: a byte of interface and clock, then the frame. */
#include "check.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size);

/* The redirector's look at a frame changes no region. */
static void fuzz_sift_only_reads(const __u8 *bytes, size_t length, __u32 ifindex)
{
	__u8 *frame = malloc(length);
	struct lb_packet packet = {
		.data = frame,
		.data_end = frame + length,
		.ifindex = ifindex,
	};

	memcpy(frame, bytes, length);
	host_user_current = &fuzz_user;
	fuzz_sift(&packet, bytes, length);
	fuzz_assert(fuzz_is_kept());
	free(frame);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	if (!size || size > 65536)
		return 0;
	fuzz_reset();
	fuzz_user.now_ns += (__u64)(data[0] >> 2) << (LB_TICK_SHIFT + 2);
	fuzz_sift_only_reads(data + 1, size - 1, data[0] & 3);
	fuzz_frame(data + 1, size - 1, data[0] & 3);
	return 0;
}
