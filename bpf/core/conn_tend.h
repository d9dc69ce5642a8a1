/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The connection table's housekeeping, in user space only, beside whatever forwards: expired
 * flows end, a removed service's flows end, and what a killed worker held is freed.
 */
#ifndef LB_CONN_TEND_H
#define LB_CONN_TEND_H

#include "conn_insert.h"

static __always_inline bool lb_word_is_confirmed(__u64 word)
{
	enum lb_conn_state state = lb_word_state(word);

	return state >= LB_CONN_ESTABLISHED && state <= LB_CONN_FIN_BACKEND;
}

/* Ends the flow at a position if it is expired. */
static __always_inline bool lb_conn_sweep(__u32 position, __u64 word, __u32 tick)
{
	return lb_word_is_live(word) && lb_word_is_expired(word, tick) &&
	       lb_conn_release(position, word, tick);
}

/* Copies a live flow whole; false if there is none, or another one every time. */
static __always_inline bool lb_conn_read4(__u32 position, struct lb_conn4 *copy, __u64 *word)
{
	__u64 *at = lb_word_at(LB_REGION_CONN_FORWARD, position);
	struct lb_conn4 *entry = host_region(LB_REGION_CONN4, position);

	if (!at || !entry)
		return false;
	for (int i = 0; i < LB_INSERT_TRIES; i++) {
		__u64 all = 0;

		*word = lb_load64(at);
		if (!lb_word_is_live(*word))
			return false;
		for (int j = 0; j < 8; j++) {
			((__u64 *)copy)[j] = lb_load64(&((__u64 *)lb_after(entry, *word))[j]);
			all |= ((__u64 *)copy)[j];
		}
		if (lb_forward_same(*word, lb_load64(lb_after(at, all))))
			return true;
	}
	return false;
}

/* Ends the flow at a position if it is of a service; retries beside packets that refresh it. */
static __always_inline bool lb_conn_flush4(__u32 position, __u16 service, __u32 tick)
{
	struct lb_conn4 copy;
	__u64 word;

	for (int i = 0; i < 64; i++) {
		if (!lb_conn_read4(position, &copy, &word) || copy.service != service)
			return false;
		if (lb_conn_release(position, word, tick))
			return true;
	}
	return false;
}

/*
 * Frees what a claimer holds that is known to be dead: a claimer that only pauses would tear
 * entries when it goes on. Its R words are found by their position, whatever it had done.
 */
static __always_inline bool lb_conn_reap(__u32 position, __u32 slot)
{
	__u64 *at = lb_word_at(LB_REGION_CONN_FORWARD, position);
	__u64 word = at ? lb_load64(at) : 0;
	__u32 words = host_config()->conn_lines * LB_LINE_WORDS;

	if (lb_word_state(word) != LB_CONN_BUSY ||
	    (word >> LB_FORWARD_TIMEOUT_SHIFT & 0xfff) != ((slot + 1) & 0xfff))
		return false;
	for (__u32 reverse = 0; reverse < words; reverse++)
		lb_reverse_free(reverse, position);
	lb_forward_free(at);
	return true;
}

#endif
