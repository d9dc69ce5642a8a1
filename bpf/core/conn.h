/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The connection table: look-up. conn_note.h has what a packet does to its flow, conn_insert.h
 * makes connections, conn_end.h ends them, conn_entry.h says what is remembered of one,
 * conn_state.h what the words mean; conn_tend.h is for user space.
 *
 *	conn_forward  lines of eight F words     tag 16 generation 16 age 16 timeout 12 state 4
 *	conn4, conn6  an entry for each F word: IPv4's lines come first, and then IPv6's
 *	conn_reverse  lines of eight R words     tag 16 generation 8 age 12 position 26 state 2
 *
 * A key hashes to two lines and a tag. The flow is in either line; the second is read only when
 * the first misses. An F word owns its entry and that entry's R word: only who holds F busy (by
 * compare-and-swap) may change them.
 *
 *	look-up   read the word, copy the entry, read the word again: of F the upper half (tag and
 *	          generation) must be equal and the state live, of R all but the age; then compare
 *	          the exact key, and use only the copy
 *	insert    claim F, free the evicted flow's R, look for the same key in both lines again;
 *	          claim R, look for the same reverse key again; write the entry; R used, F live
 *	release   F busy, R free, F free: R is freed before F, so an R word that has not changed
 *	          proves that its entry has not, either
 *
 * A flow is in its first line unless that is nearly full, and there in its home word unless that
 * is taken. Most are: so the branch that finds them is predicted, and the CPU reads the entry
 * while it still waits for the word.
 *
 * A one-sided flow (direct return) has an F word only: of the steps above those about R fall away.
 *
 * Because of the second look of each inserter, after it is visible itself, two that insert one
 * flow see each other: at least one withdraws. Ages and states change by compare-and-swap on
 * live words.
 */
#ifndef LB_CONN_H
#define LB_CONN_H

#include "conn_entry.h"
#include "conn_state.h"
#include "flow.h"
#include "host.h"
#include "index.h"

#define LB_TAG_LIMIT (1ULL << LB_FORWARD_TAG_SHIFT)
#define LB_REVERSE_AGE (0xfffULL << LB_REVERSE_AGE_SHIFT)
#define LB_REVERSE_POSITION ((1U << 26) - 1)
_Static_assert(LB_FORWARD_TAG_SHIFT == LB_REVERSE_TAG_SHIFT, "one probe serves both");

/*
 * Multilinear hashing (Lemire, Kaser: "Strongly universal string hashing is fast"): the upper 32
 * bits are the best.
 */
static __always_inline __u64 lb_conn_sum(const enum lb_family family, const struct lb_tuple *tuple,
					 const volatile __u64 *key)
{
	__u32 ports = tuple->sport | (__u32)tuple->dport << 16;
	__u64 sum = key[0];

	if (family == LB_IPV4) {
		sum += (key[1] + tuple->saddr[0]) * (key[2] + tuple->daddr[0]);
		sum += (key[3] + ports) * (key[4] + tuple->protocol);
		return lb_sum_mix(sum);
	}
	sum += (key[1] + tuple->saddr[0]) * (key[2] + tuple->saddr[1]);
	sum += (key[3] + tuple->saddr[2]) * (key[4] + tuple->saddr[3]);
	sum += (key[5] + tuple->daddr[0]) * (key[6] + tuple->daddr[1]);
	sum += (key[7] + tuple->daddr[2]) * (key[8] + tuple->daddr[3]);
	sum += (key[9] + ports) * (key[10] + tuple->protocol);
	return lb_sum_mix(sum);
}

/* Each sum has keys of its own. */
#define LB_CONN_KEYS(family) ((family) == LB_IPV4 ? 5 : 11)
_Static_assert(3 * LB_CONN_KEYS(LB_IPV6) <=
		       sizeof(((struct lb_config *)0)->conn_key) / sizeof(__u64),
	       "two for lines, one for a source port's stamp");

static __always_inline __u32 lb_conn_line(const enum lb_family family, __u64 sum)
{
	__u32 start = family == LB_IPV4 ? 0 : host_config()->conn_lines4;

	return start + ((sum >> 32) * lb_conn_lines(family) >> 32);
}

/*
 * What a look-up needs: the upper half of a sum makes a line of the family's, bits below it the
 * tag, and bits that few lines depend on the home.
 */
static __always_inline void lb_conn_hash_first(const enum lb_family family,
					       const struct lb_tuple *tuple, struct lb_hash *hash)
{
	__u64 sum = lb_conn_sum(family, tuple, host_config()->conn_key);

	hash->line[0] = lb_conn_line(family, sum);
	hash->tag = (sum >> 16 & 0xfffe) + 1;
	hash->home = (sum >> 32) % LB_LINE_WORDS;
}

/* A sum of other keys makes the second line. */
static __always_inline __u32 lb_conn_line_second(const enum lb_family family,
						 const struct lb_tuple *tuple)
{
	const volatile __u64 *key = host_config()->conn_key + LB_CONN_KEYS(family);

	return lb_conn_line(family, lb_conn_sum(family, tuple, key));
}

/* What an insert needs: also the second line, of which look-ups ask only where the first has no such tag. */
static __always_inline void lb_conn_hash(const enum lb_family family, const struct lb_tuple *tuple,
					 struct lb_hash *hash)
{
	lb_conn_hash_first(family, tuple, hash);
	hash->line[1] = lb_conn_line_second(family, tuple);
}

static __always_inline __u64 *lb_word_at(enum lb_region region, __u32 position)
{
	struct lb_line *line = host_region(region, position / LB_LINE_WORDS);

	return line ? &line->word[position % LB_LINE_WORDS] : NULL;
}

/* Finds the first word with the tag; a few instructions a word. */
static __always_inline bool lb_line_probe(const struct lb_line *line, __u64 tag, __u64 limit,
					  __u64 *index)
{
#pragma GCC unroll 8
	for (__u64 i = 0; i < LB_LINE_WORDS; i++) {
		if ((lb_load64(&line->word[i]) ^ tag) < limit) {
			*index = i;
			return true;
		}
	}
	return false;
}

/* True if an F word, read again, says that the entry is still the same flow's. */
static __always_inline bool lb_forward_same(__u64 word, __u64 again)
{
	return (word ^ again) >> LB_FORWARD_GENERATION_SHIFT == 0 && lb_word_is_live(again);
}

static __always_inline bool lb_reverse_same(__u64 word, __u64 again)
{
	return ((word ^ again) & ~LB_REVERSE_AGE) == 0;
}

static __always_inline bool lb_reverse_is_used(__u64 word)
{
	return (word & LB_REVERSE_STATE) == LB_REVERSE_USED;
}

static __always_inline __u32 lb_reverse_position(__u64 word)
{
	return word >> LB_REVERSE_POSITION_SHIFT & LB_REVERSE_POSITION;
}

/* Takes the flow of an F word that was read at `at`, if it is the tuple's. */
static __always_inline bool lb_take_forward(const enum lb_family family,
					    const struct lb_tuple *tuple, __u64 *at, __u64 word,
					    __u32 position, struct lb_conn *copy,
					    struct lb_found *found)
{
	void *entry = lb_entry_at(family, position);
	__u64 read;

	if (!entry || !lb_word_is_live(word))
		return false;
	read = lb_conn_copy(family, copy, lb_after(entry, word));
	if (!lb_forward_same(word, lb_load64(lb_after(at, read))))
		return false;
	found->word = word;
	found->position = position;
	return lb_conn_is_forward(family, copy, tuple);
}

/* The same of an R word. */
static __always_inline bool lb_take_reverse(const enum lb_family family,
					    const struct lb_tuple *tuple, __u64 *at, __u64 word,
					    __u32 reverse, struct lb_conn *copy,
					    struct lb_found *found)
{
	void *entry = lb_entry_at(family, lb_reverse_position(word));
	__u64 read;

	if (!entry || !lb_reverse_is_used(word))
		return false;
	read = lb_conn_copy(family, copy, lb_after(entry, word));
	if (!lb_reverse_same(word, lb_load64(lb_after(at, read))))
		return false;
	found->word = word;
	found->position = lb_reverse_position(word);
	found->reverse = reverse;
	return lb_conn_is_reverse(family, copy, tuple);
}

/* Takes the flow at a position. */
static __always_inline bool lb_take(const enum lb_family family, const enum lb_direction direction,
				    const struct lb_tuple *tuple, __u32 position,
				    struct lb_conn *copy, struct lb_found *found)
{
	__u64 *at;

	if (direction == LB_DIRECTION_FORWARD) {
		at = lb_word_at(LB_REGION_CONN_FORWARD, position);
		return at &&
		       lb_take_forward(family, tuple, at, lb_load64(at), position, copy, found);
	}
	at = lb_word_at(LB_REGION_CONN_REVERSE, position);
	return at && lb_take_reverse(family, tuple, at, lb_load64(at), position, copy, found);
}

/* True if the entry of a word that was read at a place has the tuple's key, in a direction. */
static __always_inline bool lb_word_check(const enum lb_family family,
					  const enum lb_direction direction,
					  const struct lb_tuple *tuple, __u32 place, __u64 word)
{
	const bool forward = direction == LB_DIRECTION_FORWARD;
	__u64 differs, again, all, *at;
	void *entry;

	if (!tuple || (forward ? !lb_word_is_live(word) : !lb_reverse_is_used(word)))
		return false;
	if (forward)
		at = lb_word_at(LB_REGION_CONN_FORWARD, place);
	else
		at = lb_word_at(LB_REGION_CONN_REVERSE, place);
	entry = lb_entry_at(family, forward ? place : lb_reverse_position(word));
	if (!at || !entry)
		return false;
	differs = lb_entry_differs(family, direction, lb_after(entry, word), tuple, &all);
	again = lb_load64(lb_after(at, all));
	return (forward ? lb_forward_same(word, again) : lb_reverse_same(word, again)) && !differs;
}

/* Global functions, so that a loop over words is short: the verifier follows each way through. */
LB_SEAM int lb_forward_check4(const struct lb_tuple *tuple, __u32 place, __u64 word)
{
	return lb_word_check(LB_IPV4, LB_DIRECTION_FORWARD, tuple, place, word);
}

LB_SEAM int lb_forward_check6(const struct lb_tuple *tuple, __u32 place, __u64 word)
{
	return lb_word_check(LB_IPV6, LB_DIRECTION_FORWARD, tuple, place, word);
}

LB_SEAM int lb_reverse_check4(const struct lb_tuple *tuple, __u32 place, __u64 word)
{
	return lb_word_check(LB_IPV4, LB_DIRECTION_REVERSE, tuple, place, word);
}

LB_SEAM int lb_reverse_check6(const struct lb_tuple *tuple, __u32 place, __u64 word)
{
	return lb_word_check(LB_IPV6, LB_DIRECTION_REVERSE, tuple, place, word);
}

static __always_inline bool lb_word_holds(const enum lb_family family,
					  const enum lb_direction direction,
					  const struct lb_tuple *tuple, __u32 place, __u64 word)
{
	if (direction == LB_DIRECTION_FORWARD)
		return family == LB_IPV4 ? lb_forward_check4(tuple, place, word) :
					   lb_forward_check6(tuple, place, word);
	return family == LB_IPV4 ? lb_reverse_check4(tuple, place, word) :
				   lb_reverse_check6(tuple, place, word);
}

/* The position of a tuple's word in a line, behind a word that only shares its tag. */
static __always_inline __u32 lb_line_search(const enum lb_family family,
					    const enum lb_direction direction,
					    const struct lb_tuple *tuple, __u32 line, __u16 tag)
{
	if (!tuple)
		return LB_POSITION_NONE;
	for (__u32 i = 0; i < LB_LINE_WORDS; i++) {
		__u32 position = line * LB_LINE_WORDS + i;
		__u64 *at, word;

		if (direction == LB_DIRECTION_FORWARD)
			at = lb_word_at(LB_REGION_CONN_FORWARD, position);
		else
			at = lb_word_at(LB_REGION_CONN_REVERSE, position);
		word = at ? lb_load64(at) : 0;
		if (at && word >> LB_FORWARD_TAG_SHIFT == tag &&
		    lb_word_holds(family, direction, tuple, position, word))
			return position;
	}
	return LB_POSITION_NONE;
}

/* What a look-up does when the first word with the tag was another flow's: it reads all. */
LB_SEAM __u32 lb_forward_search4(const struct lb_tuple *tuple, __u32 line, __u32 tag)
{
	return lb_line_search(LB_IPV4, LB_DIRECTION_FORWARD, tuple, line, tag);
}

LB_SEAM __u32 lb_forward_search6(const struct lb_tuple *tuple, __u32 line, __u32 tag)
{
	return lb_line_search(LB_IPV6, LB_DIRECTION_FORWARD, tuple, line, tag);
}

LB_SEAM __u32 lb_reverse_search4(const struct lb_tuple *tuple, __u32 line, __u32 tag)
{
	return lb_line_search(LB_IPV4, LB_DIRECTION_REVERSE, tuple, line, tag);
}

LB_SEAM __u32 lb_reverse_search6(const struct lb_tuple *tuple, __u32 line, __u32 tag)
{
	return lb_line_search(LB_IPV6, LB_DIRECTION_REVERSE, tuple, line, tag);
}

static __always_inline __u32 lb_line_search_call(const enum lb_family family,
						 const enum lb_direction direction,
						 const struct lb_tuple *tuple, __u32 line,
						 __u32 tag)
{
	if (direction == LB_DIRECTION_FORWARD)
		return family == LB_IPV4 ? lb_forward_search4(tuple, line, tag) :
					   lb_forward_search6(tuple, line, tag);
	return family == LB_IPV4 ? lb_reverse_search4(tuple, line, tag) :
				   lb_reverse_search6(tuple, line, tag);
}

static __always_inline __u32 lb_conn_search(const enum lb_family family,
					    const enum lb_direction direction,
					    const struct lb_tuple *tuple,
					    const struct lb_hash *hash)
{
	/* What crosses the seam lies in memory; the caller's own may stay in registers. */
	struct lb_tuple crossing;
	__u32 position;

	/* Word by word: as a whole, it would be memory from the start. */
	lb_address_copy(family, crossing.saddr, tuple->saddr);
	lb_address_copy(family, crossing.daddr, tuple->daddr);
	crossing.sport = tuple->sport;
	crossing.dport = tuple->dport;
	crossing.protocol = tuple->protocol;
	position = lb_line_search_call(family, direction, &crossing, hash->line[0], hash->tag);
	if (position == LB_POSITION_NONE)
		position = lb_line_search_call(family, direction, &crossing,
					       lb_conn_line_second(family, tuple), hash->tag);
	return position;
}

/* Looks a flow up by its tuple in a direction; true, and the copy may be used. */
static __always_inline bool lb_conn_find(const enum lb_family family,
					 const enum lb_direction direction,
					 const struct lb_tuple *tuple, const struct lb_hash *hash,
					 struct lb_conn *copy, struct lb_found *found)
{
	const bool forward = direction == LB_DIRECTION_FORWARD;
	__u64 tag = (__u64)hash->tag << LB_FORWARD_TAG_SHIFT;
	__u64 limit = LB_TAG_LIMIT, index = 0, word;
	__u32 number = hash->line[0], position;
	struct lb_line *line;
	__u64 *at;

	if (forward)
		line = host_region(LB_REGION_CONN_FORWARD, number);
	else
		line = host_region(LB_REGION_CONN_REVERSE, number);
	if (!line)
		return false;
	index = hash->home;
	if ((lb_load64(&line->word[index % LB_LINE_WORDS]) ^ tag) >= limit &&
	    !lb_line_probe(line, tag, limit, &index)) {
		number = lb_conn_line_second(family, tuple);
		if (forward)
			line = host_region(LB_REGION_CONN_FORWARD, number);
		else
			line = host_region(LB_REGION_CONN_REVERSE, number);
		if (!line || !lb_line_probe(line, tag, limit, &index))
			return false;
	}
	/* All ways that lead here are one to the verifier. */
	index = host_forget(index, number) & (LB_LINE_WORDS - 1);
	at = &line->word[index];
	word = lb_load64(at);
	position = number * LB_LINE_WORDS + index;
	if (forward ? lb_take_forward(family, tuple, at, word, position, copy, found) :
		      lb_take_reverse(family, tuple, at, word, position, copy, found))
		return true;
	position = lb_conn_search(family, direction, tuple, hash);
	return position != LB_POSITION_NONE &&
	       lb_take(family, direction, tuple, position, copy, found);
}

static __always_inline bool lb_conn_find_forward(const enum lb_family family,
						 const struct lb_tuple *tuple,
						 const struct lb_hash *hash, struct lb_conn *copy,
						 struct lb_found *found)
{
	return lb_conn_find(family, LB_DIRECTION_FORWARD, tuple, hash, copy, found);
}

static __always_inline bool lb_conn_find_reverse(const enum lb_family family,
						 const struct lb_tuple *tuple,
						 const struct lb_hash *hash, struct lb_conn *copy,
						 struct lb_found *found)
{
	return lb_conn_find(family, LB_DIRECTION_REVERSE, tuple, hash, copy, found);
}

#include "conn_note.h"
#include "conn_insert.h"

#endif
