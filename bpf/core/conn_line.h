/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the eight words of a line say together, without a branch: the verifier follows each side
 * of every branch, and eight in a row are 256 ways.
 */
#ifndef LB_CONN_LINE_H
#define LB_CONN_LINE_H

#include "conn_state.h"
#include "host.h"

/* Free words that a key's first line keeps before its second is considered. */
#define LB_LINE_SPARE 4

/* 1 if one of two values below 2^63 is less than the other. */
static __always_inline __u64 lb_is_less(__u64 value, __u64 other)
{
	return host_opaque(value - other) >> 63;
}

static __always_inline __u64 lb_is_zero(__u64 value)
{
	return lb_is_less(value, 1);
}

/* The words that are free, a bit each: those of whose state no bit is set. */
static __always_inline __u32 lb_line_vacant(const struct lb_line *line, __u64 state)
{
	__u64 vacant = 0;

#pragma GCC unroll 8
	for (int i = 0; i < LB_LINE_WORDS; i++)
		vacant |= lb_is_zero(lb_load64(&line->word[i]) & state) << i;
	return vacant;
}

/* How many words have a tag, whatever their state. */
static __always_inline __u32 lb_line_tagged(const struct lb_line *line, __u16 tag)
{
	__u64 tagged = 0;

#pragma GCC unroll 8
	for (int i = 0; i < LB_LINE_WORDS; i++)
		tagged += lb_is_zero(lb_load64(&line->word[i]) >> LB_FORWARD_TAG_SHIFT ^ tag);
	return tagged;
}

static __always_inline __u32 lb_bits_count(__u32 bits)
{
	return __builtin_popcount(bits & 0xff);
}

/* The number of the lowest bit that is set. */
static __always_inline __u32 lb_bits_lowest(__u32 bits)
{
	return lb_bits_count((bits & -bits) - 1);
}

/* What a word is worth to an inserter: the least is taken first. */
#define LB_RANK_FREE 0U
#define LB_RANK_CLOSED (1U << 16)
#define LB_RANK_EXPIRED (2U << 16)
#define LB_RANK_UNCONFIRMED (3U << 16) /* plus what is missing to the oldest age */
#define LB_RANK_NEVER (4U << 16)

/* The rank of each state, four bits each. RESET is unconfirmed: who sent the RST is not known. */
#define LB_RANK_OF_STATES 0x4444444314443340ULL
/* The states that expire. */
#define LB_RANK_EXPIRING                                                          \
	(1U << LB_CONN_NEW | 1U << LB_CONN_ANSWERED | 1U << LB_CONN_ESTABLISHED | \
	 1U << LB_CONN_FIN_CLIENT | 1U << LB_CONN_FIN_BACKEND | 1U << LB_CONN_RESET)

static __always_inline __u32 lb_word_rank(__u64 word, __u32 tick)
{
	__u64 state = word & LB_FORWARD_STATE;
	__u64 rank = LB_RANK_OF_STATES >> state * 4 & 15;
	__u64 idle = (tick - (__u32)(word >> LB_FORWARD_AGE_SHIFT)) & 0xffff;
	__u64 expired;

	idle *= lb_is_less(idle, LB_AGE_AHEAD);
	expired = lb_is_less(lb_word_timeout(word), idle) & LB_RANK_EXPIRING >> state;
	rank = rank << 16 | (0xffff - idle) * lb_is_zero(rank ^ LB_RANK_UNCONFIRMED >> 16);
	return rank + (LB_RANK_EXPIRED - rank) * expired;
}

#endif
