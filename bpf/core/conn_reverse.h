/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The inserter's claim of an R word, of flows that are two-sided. Steps are as in conn_forward.h. */
#ifndef LB_CONN_REVERSE_H
#define LB_CONN_REVERSE_H

#include "conn.h"
#include "conn_end.h"
#include "conn_forward.h"
#include "conn_line.h"

/* A free R word in one of a key's lines. */
static __always_inline __u32 lb_reverse_choose(const struct lb_hash *hash)
{
	const struct lb_line *line = host_region(LB_REGION_CONN_REVERSE, hash->line[0]);
	const struct lb_line *other = host_region(LB_REGION_CONN_REVERSE, hash->line[1]);
	__u32 number = hash->line[0], vacant;

	if (!line || !other)
		return LB_POSITION_NONE;
	vacant = lb_line_vacant(line, LB_REVERSE_STATE);
	if (lb_line_second(other, LB_REVERSE_STATE, &vacant))
		number = hash->line[1];
	if (!vacant)
		return LB_POSITION_NONE;
	return number * LB_LINE_WORDS + lb_line_place(vacant, hash->home);
}

/* What the owner of an R word is worth: as an F word. */
LB_SEAM __u32 lb_reverse_rank(__u32 reverse, __u32 tick)
{
	__u64 *at = lb_word_at(LB_REGION_CONN_REVERSE, reverse);
	__u64 word;

	if (!at)
		return LB_RANK_NEVER;
	word = lb_load64(at);
	if (!lb_reverse_is_used(word))
		return LB_RANK_NEVER;
	at = lb_word_at(LB_REGION_CONN_FORWARD, lb_reverse_position(word));
	return at ? lb_word_rank(lb_load64(at), tick) : LB_RANK_NEVER;
}

/* Ends the flow that owns an R word, if it may be evicted. */
LB_SEAM int lb_reverse_evict(__u32 reverse, __u32 tick)
{
	__u64 *at = lb_word_at(LB_REGION_CONN_REVERSE, reverse), *owner;
	__u64 word, owning;
	__u32 rank;

	if (!at)
		return 0;
	word = lb_load64(at);
	if (!lb_reverse_is_used(word))
		return 0;
	owner = lb_word_at(LB_REGION_CONN_FORWARD, lb_reverse_position(word));
	if (!owner)
		return 0;
	owning = lb_load64(owner);
	rank = lb_word_rank(owning, tick);
	/* R still the same: F was its owner when it was read. */
	if (rank == LB_RANK_FREE || rank >= LB_RANK_NEVER ||
	    !lb_reverse_same(word, lb_load64(lb_after(at, owning))))
		return 0;
	if (!lb_conn_release(lb_reverse_position(word), owning, tick))
		return 0;
	lb_eviction_count(rank);
	return 1;
}

/* Both lines of R words are full: the one whose flow is worth least. */
LB_SEAM __u32 lb_reverse_victim(__u32 first, __u32 second, __u32 tick)
{
	__u64 best = (__u64)LB_RANK_NEVER << 4;

	for (__u32 i = 0; i < 2 * LB_LINE_WORDS; i++) {
		__u32 line = i < LB_LINE_WORDS ? first : second;
		__u64 rank = lb_reverse_rank(line * LB_LINE_WORDS + i % LB_LINE_WORDS, tick);

		if ((rank << 4 | i) < best)
			best = rank << 4 | i;
	}
	if (best >> 4 >= LB_RANK_NEVER)
		return LB_POSITION_NONE;
	return (best & LB_LINE_WORDS ? second : first) * LB_LINE_WORDS + best % LB_LINE_WORDS;
}

/* Claims a free R word for a claimed F word. */
static __always_inline int lb_reverse_claim(__u32 reverse, __u32 tag, __u32 position)
{
	__u64 *at = lb_word_at(LB_REGION_CONN_REVERSE, reverse);
	__u64 word, generation;

	if (!at)
		return 0;
	word = lb_load64(at);
	if ((word & LB_REVERSE_STATE) != LB_REVERSE_FREE)
		return 0;
	generation = (word >> LB_REVERSE_GENERATION_SHIFT) + 1;
	return lb_cas64(at, word,
			(__u64)tag << LB_REVERSE_TAG_SHIFT |
				(generation & 0xff) << LB_REVERSE_GENERATION_SHIFT |
				(__u64)(position & LB_REVERSE_POSITION)
					<< LB_REVERSE_POSITION_SHIFT |
				LB_REVERSE_BUSY) == word;
}

/* Gives up a claimed R word. */
LB_SEAM int lb_reverse_withdraw(__u32 reverse, __u32 position)
{
	return lb_reverse_free(reverse, position);
}

/* Looks for the reverse key of a claimed R word, in one of its lines. */
static __always_inline int lb_reverse_look(const enum lb_family family, struct lb_insert *insert,
					   __u32 line, __u32 claimed)
{
	if (!insert)
		return LB_INSERT_CONTENDED;
	lb_conn_reply(family, &insert->entry, &insert->key);
	for (__u32 i = 0; i < LB_LINE_WORDS; i++) {
		__u32 reverse = line * LB_LINE_WORDS + i;
		__u64 *at = lb_word_at(LB_REGION_CONN_REVERSE, reverse);
		__u64 word;

		if (!at || reverse == claimed)
			continue;
		word = lb_load64(at);
		if (word >> LB_REVERSE_TAG_SHIFT != insert->reverse.tag)
			continue;
		if (!lb_reverse_is_used(word))
			return LB_INSERT_CONTENDED;
		if (lb_word_holds(family, LB_DIRECTION_REVERSE, &insert->key, reverse, word))
			return LB_INSERT_REVERSE_TAKEN;
		if (!lb_reverse_same(word, lb_load64(at)))
			return LB_INSERT_CONTENDED;
	}
	return LB_INSERT_DONE;
}

LB_SEAM int lb_reverse_rescan4(struct lb_insert *insert, __u32 line, __u32 claimed)
{
	return lb_reverse_look(LB_IPV4, insert, line, claimed);
}

LB_SEAM int lb_reverse_rescan6(struct lb_insert *insert, __u32 line, __u32 claimed)
{
	return lb_reverse_look(LB_IPV6, insert, line, claimed);
}

static __always_inline int lb_reverse_rescan(const enum lb_family family, struct lb_insert *insert,
					     __u32 line, __u32 claimed)
{
	return family == LB_IPV4 ? lb_reverse_rescan4(insert, line, claimed) :
				   lb_reverse_rescan6(insert, line, claimed);
}

/* Looks again for the key of a claimed R word. */
static __always_inline int lb_reverse_again(const enum lb_family family, struct lb_insert *insert,
					    __u32 reverse)
{
	const __u32 *number = insert->reverse.line;
	const struct lb_line *line = host_region(LB_REGION_CONN_REVERSE, number[0]);
	const struct lb_line *other = host_region(LB_REGION_CONN_REVERSE, number[1]);
	__u16 tag = insert->reverse.tag;
	int result;

	if (line && other && lb_line_tagged(line, tag) + lb_line_tagged(other, tag) == 1)
		return LB_INSERT_DONE;
	result = lb_reverse_rescan(family, insert, number[0], reverse);
	if (result != LB_INSERT_DONE)
		return result;
	return lb_reverse_rescan(family, insert, number[1], reverse);
}

#endif
