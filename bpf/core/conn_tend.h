/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The connection table's housekeeping, in user space only, beside whatever forwards: expired
 * flows end, so do a removed service's flows and those of clients that it denies since, and what
 * a killed worker held is freed.
 */
#ifndef LB_CONN_TEND_H
#define LB_CONN_TEND_H

#include "conn.h"
#include "source.h"

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

/* Copies an entry whole. Returns a value made of all that was read. */
static __always_inline __u64 lb_entry_read(const enum lb_family family, const __u64 *entry,
					   struct lb_conn *copy)
{
	const int words = LB_CONN_WORDS(family);
	__u64 word[LB_CONN_WORDS(LB_IPV6)], all = 0;

	for (int i = 0; i < words; i++) {
		word[i] = lb_load64(&entry[i]);
		all |= word[i];
	}
	*copy = (struct lb_conn){};
	lb_conn_spread(family, copy, word, words);
	return all;
}

static __always_inline bool lb_conn_read_of(const enum lb_family family, __u32 position,
					    struct lb_conn *copy, __u64 *word)
{
	__u64 *at = lb_word_at(LB_REGION_CONN_FORWARD, position);
	void *entry = lb_entry_at(family, position);

	if (!at || !entry)
		return false;
	for (int i = 0; i < LB_INSERT_TRIES; i++) {
		__u64 all;

		*word = lb_load64(at);
		if (!lb_word_is_live(*word))
			return false;
		all = lb_entry_read(family, lb_after(entry, *word), copy);
		if (lb_forward_same(*word, lb_load64(lb_after(at, all))))
			return true;
	}
	return false;
}

/* Copies a live flow of either family whole; false if there is none, or another one every time. */
static __always_inline bool lb_conn_read(__u32 position, struct lb_conn *copy, __u64 *word)
{
	if (lb_position_family(position) == LB_IPV4)
		return lb_conn_read_of(LB_IPV4, position, copy, word);
	return lb_conn_read_of(LB_IPV6, position, copy, word);
}

static __always_inline bool lb_client_denied(const struct lb_service *record, __u32 position,
					     const struct lb_conn *conn)
{
	if (lb_position_family(position) == LB_IPV4)
		return !lb_source_allowed(LB_IPV4, record, conn->client);
	return !lb_source_allowed(LB_IPV6, record, conn->client);
}

/*
 * Ends the flow at a position if it is of a service and, where the service's record is given,
 * that denies its client. Retries beside packets that refresh it.
 */
static __always_inline bool lb_conn_flush(__u32 position, __u16 service,
					  const struct lb_service *record, __u32 tick)
{
	struct lb_conn copy;
	__u64 word;

	for (int i = 0; i < 64; i++) {
		if (!lb_conn_read(position, &copy, &word) || copy.service != service)
			return false;
		if (record && !lb_client_denied(record, position, &copy))
			return false;
		if (lb_conn_release(position, word, tick))
			return true;
	}
	return false;
}

/* F words, and R words, of both families. */
static __always_inline __u32 lb_conn_positions(void)
{
	return (lb_conn_lines(LB_IPV4) + lb_conn_lines(LB_IPV6)) * LB_LINE_WORDS;
}

/*
 * Frees what a claimer holds that is known to be dead: a claimer that only pauses would tear
 * entries when it goes on. Its R words are found by their position, whatever it had done. What it
 * had counted in a backend's load stays counted.
 */
static __always_inline bool lb_conn_reap(__u32 position, __u32 slot)
{
	__u64 *at = lb_word_at(LB_REGION_CONN_FORWARD, position);
	__u64 word = at ? lb_load64(at) : 0;
	__u32 words = lb_conn_positions();

	if (lb_word_state(word) != LB_CONN_BUSY ||
	    (word >> LB_FORWARD_TIMEOUT_SHIFT & 0xfff) != ((slot + 1) & 0xfff))
		return false;
	for (__u32 reverse = 0; reverse < words; reverse++)
		lb_reverse_free(reverse, position);
	lb_forward_free(at);
	return true;
}

#endif
