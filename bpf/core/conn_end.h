/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How connections end: a word is claimed, what belongs to its entry is given back, and the word
 * is free or is the next connection's.
 */
#ifndef LB_CONN_END_H
#define LB_CONN_END_H

#include "conn.h"
#include "conn_line.h"
#include "conn_source.h"
#include "load.h"

static __always_inline void lb_conn_count(enum lb_conn_event event)
{
	struct lb_cpu *cpu = host_region(LB_REGION_CPUS, host_slot());

	if (cpu)
		cpu->conn_event[event]++;
}

static __always_inline __u64 lb_forward_busy(__u64 tag, __u64 generation, __u32 tick)
{
	return (tag & 0xffff) << LB_FORWARD_TAG_SHIFT |
	       (generation & 0xffff) << LB_FORWARD_GENERATION_SHIFT |
	       (__u64)(tick & 0xffff) << LB_FORWARD_AGE_SHIFT |
	       (__u64)((host_slot() + 1) & 0xfff) << LB_FORWARD_TIMEOUT_SHIFT | LB_CONN_BUSY;
}

/* Frees an F word that the caller holds busy. The generation stays, the tag goes. */
static __always_inline void lb_forward_free(__u64 *at)
{
	__u64 word = lb_load64(at);

	lb_cas64(at, word, word & 0xffffULL << LB_FORWARD_GENERATION_SHIFT);
}

/* Frees an R word whose owner the caller holds busy: nobody else changes more than its age. */
static __always_inline int lb_reverse_free(__u32 reverse, __u32 position)
{
	__u64 *at = lb_word_at(LB_REGION_CONN_REVERSE, reverse);
	__u64 word;

	if (!at)
		return 0;
	word = lb_load64(at);
	if ((word & LB_REVERSE_STATE) == LB_REVERSE_FREE || lb_reverse_position(word) != position)
		return 0;
	lb_store64(at, word & 0xffULL << LB_REVERSE_GENERATION_SHIFT);
	return 1;
}

/*
 * Ends what the entry of a busy F word says: its R word is freed, the backend has a connection
 * less, and its source port rests since the flow was last seen.
 */
LB_SEAM int lb_conn_clear(__u32 position, __u32 age)
{
	const struct lb_conn_common *entry = lb_common_at(position);

	if (!entry)
		return 0;
	if (!(entry->flags & LB_CONN_ONE_SIDED))
		lb_reverse_free(entry->reverse, position);
	lb_load_give(entry->backend_id);
	if (entry->flags & LB_CONN_SOURCE_TRANSLATED)
		lb_source_rest(position, age);
	return 1;
}

/* Ends a flow whose F word is still `word`; 0 if it isn't. */
LB_SEAM int lb_conn_release(__u32 position, __u64 word, __u32 tick)
{
	__u64 *at = lb_word_at(LB_REGION_CONN_FORWARD, position);
	__u64 busy = lb_forward_busy(word >> LB_FORWARD_TAG_SHIFT,
				     word >> LB_FORWARD_GENERATION_SHIFT, tick);

	if (!at || !lb_word_is_live(word) || lb_cas64(at, word, busy) != word)
		return 0;
	lb_conn_clear(position, word >> LB_FORWARD_AGE_SHIFT);
	lb_forward_free(at);
	return 1;
}

static __always_inline void lb_eviction_count(__u32 rank)
{
	if (rank >= LB_RANK_UNCONFIRMED)
		lb_conn_count(LB_CONN_EVICTED_UNCONFIRMED);
	else if (rank >= LB_RANK_EXPIRED)
		lb_conn_count(LB_CONN_EVICTED_EXPIRED);
	else if (rank >= LB_RANK_CLOSED)
		lb_conn_count(LB_CONN_EVICTED_CLOSED);
}

#endif
