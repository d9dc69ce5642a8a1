/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Source ports of ours: which are free towards a backend, and when one was last given back. The
 * backend may still be in TIME_WAIT, so a port rests a while.
 */
#ifndef LB_CONN_SOURCE_H
#define LB_CONN_SOURCE_H

#include "conn.h"

/* Where the rest of a source port towards a backend is noted, by the reply's tuple. */
static __always_inline __u16 *lb_source_stamp(const enum lb_family family,
					      const struct lb_tuple *reply)
{
	const volatile struct lb_config *config = host_config();
	const volatile __u64 *key = config->conn_key + 2 * LB_CONN_KEYS(family);
	__u64 stamps = (__u64)config->stamp_words * LB_STAMPS_PER_WORD;
	__u32 index = (lb_conn_sum(family, reply, key) >> 32) * stamps >> 32;
	struct lb_stamps *word = host_region(LB_REGION_SOURCE_STAMPS, index / LB_STAMPS_PER_WORD);

	return word ? &word->tick[index % LB_STAMPS_PER_WORD] : NULL;
}

static __always_inline void lb_entry_rest(const enum lb_family family, __u32 position, __u32 age)
{
	const void *entry = lb_entry_at(family, position);
	struct lb_tuple reply;
	struct lb_conn copy;
	__u16 *stamp;

	if (!entry)
		return;
	lb_conn_copy(family, &copy, entry);
	lb_conn_reply(family, &copy, &reply);
	stamp = lb_source_stamp(family, &reply);
	if (stamp) /* 0: has never been used */
		*(volatile __u16 *)stamp = age & 0xffff ? age : 1;
}

/* From an age on, the source port of the entry at a position rests. */
static __always_inline void lb_source_rest(__u32 position, __u32 age)
{
	if (lb_position_family(position) == LB_IPV4)
		lb_entry_rest(LB_IPV4, position, age);
	else
		lb_entry_rest(LB_IPV6, position, age);
}

enum lb_source_state {
	LB_SOURCE_VACANT,
	LB_SOURCE_RESTS,
	LB_SOURCE_TAKEN,
};

/*
 * Whether the source port of a reply's tuple may be used: enum lb_source_state; rested: ticks since
 * it was.
 */
static __always_inline int lb_source_try(const enum lb_family family, const struct lb_tuple *reply,
					 const struct lb_hash *hash, __u32 tick, __u32 *rested)
{
	__u16 stamp, *at;

	if (!reply || !hash || !rested)
		return LB_SOURCE_TAKEN;
	if (lb_line_search_call(family, LB_DIRECTION_REVERSE, reply, hash->line[0], hash->tag) !=
		    LB_POSITION_NONE ||
	    lb_line_search_call(family, LB_DIRECTION_REVERSE, reply, hash->line[1], hash->tag) !=
		    LB_POSITION_NONE)
		return LB_SOURCE_TAKEN;
	at = lb_source_stamp(family, reply);
	stamp = at ? *(volatile __u16 *)at : 0;
	*rested = (tick - stamp) & 0xffff;
	if (!stamp || *rested >= LB_SOURCE_REST)
		return LB_SOURCE_VACANT;
	return LB_SOURCE_RESTS;
}

LB_SEAM int lb_source_probe4(const struct lb_tuple *reply, const struct lb_hash *hash, __u32 tick,
			     __u32 *rested)
{
	return lb_source_try(LB_IPV4, reply, hash, tick, rested);
}

LB_SEAM int lb_source_probe6(const struct lb_tuple *reply, const struct lb_hash *hash, __u32 tick,
			     __u32 *rested)
{
	return lb_source_try(LB_IPV6, reply, hash, tick, rested);
}

static __always_inline int lb_source_probe(const enum lb_family family,
					   const struct lb_tuple *reply, const struct lb_hash *hash,
					   __u32 tick, __u32 *rested)
{
	return family == LB_IPV4 ? lb_source_probe4(reply, hash, tick, rested) :
				   lb_source_probe6(reply, hash, tick, rested);
}

#endif
