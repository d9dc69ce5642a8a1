// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Frames that follow each other, as in a handshake: of each a byte of interface and clock step,
 * its length in two bytes, and the frame.
 */
#include "check.h"

#define FRAMES 16

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size);

/*
 * When nobody works, no word is busy, each live flow has its reverse word unless it is one-sided,
 * and each backend has as many connections as it is said to have.
 */
static void fuzz_table_is_sound(void)
{
	__u64 live[16] = {};

	for (__u32 i = 0; i < lb_conn_positions(); i++) {
		__u64 word = *lb_word_at(LB_REGION_CONN_FORWARD, i), *reverse;
		const struct lb_conn_common *entry = lb_common_at(i);

		fuzz_assert(lb_word_state(word) != LB_CONN_BUSY);
		if (!lb_word_is_live(word))
			continue;
		live[entry->backend_id]++;
		reverse = lb_word_at(LB_REGION_CONN_REVERSE, entry->reverse);
		if (entry->flags & LB_CONN_ONE_SIDED)
			fuzz_assert(entry->reverse == LB_POSITION_NONE);
		else
			fuzz_assert(reverse && lb_reverse_is_used(*reverse) &&
				    lb_reverse_position(*reverse) == i);
	}
	for (__u32 i = 0; i < fuzz_user.config.max_backends; i++)
		fuzz_assert(*(__u64 *)host_region(LB_REGION_LOADS, i) == live[i]);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	fuzz_reset();
	for (int i = 0; i < FRAMES && size >= 3; i++) {
		size_t length = data[1] | data[2] << 8;
		__u8 control = data[0];

		data += 3;
		size -= 3;
		if (length > size)
			length = size;
		fuzz_user.now_ns += (__u64)(control >> 2) << (LB_TICK_SHIFT + 2);
		fuzz_frame(data, length, control & 3);
		data += length;
		size -= length;
	}
	fuzz_table_is_sound();
	return 0;
}
