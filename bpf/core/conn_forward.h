/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The inserter's claim of an F word. Steps are global functions that take positions: the verifier
 * then looks at each once, and a choice among sixteen words does not multiply what follows it.
 */
#ifndef LB_CONN_FORWARD_H
#define LB_CONN_FORWARD_H

#include "conn.h"
#include "conn_end.h"
#include "conn_line.h"

/* The word of a line of F words that is worth least: rank << 3 | index. */
LB_SEAM __u32 lb_forward_rank(__u32 number, __u32 tick)
{
	struct lb_line *line = host_region(LB_REGION_CONN_FORWARD, number);
	__u64 best = (__u64)LB_RANK_NEVER << 3;

	if (!line)
		return best;
#pragma GCC unroll 8
	for (__u64 i = 0; i < LB_LINE_WORDS; i++) {
		__u64 rank = (__u64)lb_word_rank(lb_load64(&line->word[i]), tick) << 3 | i;

		best += (rank - best) * lb_is_less(rank, best);
	}
	return best;
}

/* The word to evict for a key where no word is free. */
static __always_inline __u32 lb_forward_victim(const struct lb_hash *hash, __u32 tick)
{
	__u32 first = lb_forward_rank(hash->line[0], tick);
	__u32 second = lb_forward_rank(hash->line[1], tick);
	__u32 line = second < first ? hash->line[1] : hash->line[0];
	__u32 best = second < first ? second : first;

	if (best >> 3 >= LB_RANK_NEVER)
		return LB_POSITION_NONE;
	return line * LB_LINE_WORDS + best % LB_LINE_WORDS;
}

/* Gives up a claimed F word. */
LB_SEAM int lb_forward_withdraw(__u32 position)
{
	__u64 *at = lb_word_at(LB_REGION_CONN_FORWARD, position);

	if (at)
		lb_forward_free(at);
	return 0;
}

/* Claims an F word that may be taken: busy, with the tag and the next generation. */
LB_SEAM int lb_forward_claim(__u32 position, __u32 tag, __u32 tick)
{
	__u64 *at = lb_word_at(LB_REGION_CONN_FORWARD, position);
	__u64 word, busy;
	__u32 rank;

	if (!at)
		return 0;
	word = lb_load64(at);
	rank = lb_word_rank(word, tick);
	if (rank >= LB_RANK_NEVER)
		return 0;
	busy = lb_forward_busy(tag, (word >> LB_FORWARD_GENERATION_SHIFT) + 1, tick);
	if (lb_cas64(at, word, busy) != word)
		return 0;
	if (rank != LB_RANK_FREE) {
		lb_conn_clear(position, word >> LB_FORWARD_AGE_SHIFT);
		lb_eviction_count(rank);
	}
	return 1;
}

/*
 * True if a key's other line is to be taken: the first while it has room to spare, else the
 * emptier one. Its vacant words are then in *vacant.
 */
static __always_inline bool lb_line_second(const struct lb_line *other, __u64 state, __u32 *vacant)
{
	__u32 spare = lb_bits_count(*vacant), second;

	if (spare > LB_LINE_SPARE)
		return false;
	second = lb_line_vacant(other, state);
	if (lb_bits_count(second) <= spare)
		return false;
	*vacant = second;
	return true;
}

/* Of the vacant words the home, or the lowest. */
static __always_inline __u32 lb_line_place(__u32 vacant, __u32 home)
{
	return (vacant >> home & 1 ? home : lb_bits_lowest(vacant)) % LB_LINE_WORDS;
}

/* Claims a free word in one of a key's lines; LB_POSITION_NONE: there is none. */
static __always_inline __u32 lb_forward_occupy(const struct lb_insert *insert)
{
	struct lb_line *line = host_region(LB_REGION_CONN_FORWARD, insert->forward.line[0]);
	struct lb_line *other = host_region(LB_REGION_CONN_FORWARD, insert->forward.line[1]);
	__u32 number = insert->forward.line[0], vacant, index;
	__u64 word, busy, *at;

	if (!line || !other)
		return LB_POSITION_NONE;
	vacant = lb_line_vacant(line, LB_FORWARD_STATE);
	if (lb_line_second(other, LB_FORWARD_STATE, &vacant)) {
		line = other;
		number = insert->forward.line[1];
	}
	if (!vacant)
		return LB_POSITION_NONE;
	index = lb_line_place(vacant, insert->forward.home);
	at = &line->word[index % LB_LINE_WORDS];
	word = lb_load64(at);
	if (word & LB_FORWARD_STATE)
		return LB_POSITION_NONE;
	busy = lb_forward_busy(insert->forward.tag, (word >> LB_FORWARD_GENERATION_SHIFT) + 1,
			       insert->tick);
	return lb_cas64(at, word, busy) == word ? number * LB_LINE_WORDS + index : LB_POSITION_NONE;
}

/* Looks again for the key of a claimed word, in one of its lines. */
static __always_inline int lb_forward_look(const enum lb_family family, struct lb_insert *insert,
					   __u32 line, __u32 claimed)
{
	if (!insert)
		return LB_INSERT_CONTENDED;
	lb_conn_request(family, &insert->entry, &insert->key);
	for (__u32 i = 0; i < LB_LINE_WORDS; i++) {
		__u32 position = line * LB_LINE_WORDS + i;
		__u64 *at = lb_word_at(LB_REGION_CONN_FORWARD, position);
		__u64 word;

		if (!at || position == claimed)
			continue;
		word = lb_load64(at);
		if (word >> LB_FORWARD_TAG_SHIFT != insert->forward.tag)
			continue;
		if (!lb_word_is_live(word))
			return LB_INSERT_CONTENDED;
		if (lb_word_holds(family, LB_DIRECTION_FORWARD, &insert->key, position, word)) {
			insert->position = position;
			insert->word = word;
			return LB_INSERT_EXISTS;
		}
		if (!lb_forward_same(word, lb_load64(at)))
			return LB_INSERT_CONTENDED;
	}
	return LB_INSERT_DONE;
}

LB_SEAM int lb_forward_rescan4(struct lb_insert *insert, __u32 line, __u32 claimed)
{
	return lb_forward_look(LB_IPV4, insert, line, claimed);
}

LB_SEAM int lb_forward_rescan6(struct lb_insert *insert, __u32 line, __u32 claimed)
{
	return lb_forward_look(LB_IPV6, insert, line, claimed);
}

static __always_inline int lb_forward_rescan(const enum lb_family family, struct lb_insert *insert,
					     __u32 line, __u32 claimed)
{
	return family == LB_IPV4 ? lb_forward_rescan4(insert, line, claimed) :
				   lb_forward_rescan6(insert, line, claimed);
}

/*
 * Looks again for the key of a claimed F word. A glance at all tags is enough where nobody else
 * has this one.
 */
static __always_inline int lb_forward_again(const enum lb_family family, struct lb_insert *insert,
					    __u32 position)
{
	const __u32 *number = insert->forward.line;
	const struct lb_line *line = host_region(LB_REGION_CONN_FORWARD, number[0]);
	const struct lb_line *other = host_region(LB_REGION_CONN_FORWARD, number[1]);
	__u16 tag = insert->forward.tag;
	int result;

	if (line && other && lb_line_tagged(line, tag) + lb_line_tagged(other, tag) == 1)
		return LB_INSERT_DONE;
	result = lb_forward_rescan(family, insert, number[0], position);
	if (result != LB_INSERT_DONE)
		return result;
	return lb_forward_rescan(family, insert, number[1], position);
}

#endif
