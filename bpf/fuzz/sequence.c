// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Frames that follow each other, as in a handshake: of each a byte of interface and clock step,
 * its length in two bytes, and the frame.
 */
#include "check.h"

#define FRAMES 16

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size);

/* When nobody works, no word is busy, and each live flow has its reverse word. */
static void fuzz_table_is_sound(void)
{
	for (__u32 i = 0; i < fuzz_user.config.conn_lines * LB_LINE_WORDS; i++) {
		__u64 word = *lb_word_at(LB_REGION_CONN_FORWARD, i), *reverse;
		const struct lb_conn4 *entry = host_region(LB_REGION_CONN4, i);

		fuzz_assert(lb_word_state(word) != LB_CONN_BUSY);
		if (!lb_word_is_live(word))
			continue;
		reverse = lb_word_at(LB_REGION_CONN_REVERSE, entry->reverse);
		fuzz_assert(reverse && lb_reverse_is_used(*reverse) &&
			    lb_reverse_position(*reverse) == i);
	}
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
