/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How connections begin; conn.h has the protocol. */
#ifndef LB_CONN_INSERT_H
#define LB_CONN_INSERT_H

#include "conn.h"
#include "conn_end.h"
#include "conn_forward.h"
#include "conn_reverse.h"

/* Takes over the flow that exists. Should it be gone, the entry to insert is still whole. */
static __always_inline int lb_insert_take_over(const enum lb_family family,
					       struct lb_insert *insert)
{
	struct lb_conn copy = {};
	__u64 *at, read;
	void *entry;

	if (!insert)
		return LB_INSERT_CONTENDED;
	at = lb_word_at(LB_REGION_CONN_FORWARD, insert->position);
	entry = lb_entry_at(family, insert->position);
	if (!at || !entry)
		return LB_INSERT_CONTENDED;
	read = lb_conn_copy(family, &copy, lb_after(entry, insert->word));
	if (!lb_forward_same(insert->word, lb_load64(lb_after(at, read))))
		return LB_INSERT_CONTENDED;
	insert->entry = copy;
	return LB_INSERT_EXISTS;
}

LB_SEAM int lb_insert_adopt4(struct lb_insert *insert)
{
	return lb_insert_take_over(LB_IPV4, insert);
}

LB_SEAM int lb_insert_adopt6(struct lb_insert *insert)
{
	return lb_insert_take_over(LB_IPV6, insert);
}

/* Opens a claimed R word, whose entry is written. It starts as due. */
static __always_inline void lb_reverse_open(__u64 *at, __u32 tick)
{
	__u64 aged = (__u64)((tick - LB_AGE_DUE) & 0xfff) << LB_REVERSE_AGE_SHIFT;
	__u64 busy = lb_load64(at);

	lb_cas64(at, busy, (busy ^ LB_REVERSE_BUSY ^ LB_REVERSE_USED) | aged);
}

/*
 * Writes the entry of claimed words and opens them to readers: R used, then F live. A one-sided
 * flow has no R word.
 */
static __always_inline int lb_conn_publish(const enum lb_family family, struct lb_insert *insert,
					   __u32 position, __u32 reverse)
{
	__u64 *forward_at = lb_word_at(LB_REGION_CONN_FORWARD, position);
	__u64 *reverse_at = lb_word_at(LB_REGION_CONN_REVERSE, reverse);
	void *entry = lb_entry_at(family, position);
	__u64 busy, word;
	__u16 timeout;

	if (!forward_at || !entry || (!reverse_at && reverse != LB_POSITION_NONE))
		return LB_INSERT_CONTENDED;
	insert->entry.reverse = reverse;
	lb_entry_write(family, entry, &insert->entry);
	if (reverse_at)
		lb_reverse_open(reverse_at, insert->tick);
	busy = lb_load64(forward_at);
	timeout = lb_conn_timeout(insert->state, insert->entry.protocol, insert->idle);
	word = lb_word_with(busy, insert->state, timeout, insert->tick);
	lb_cas64(forward_at, busy, word);
	insert->position = position;
	insert->word = word;
	return LB_INSERT_DONE;
}

/* With F claimed: the R word of a two-sided flow, and the entry. */
static __always_inline int lb_insert_two_sided(const enum lb_family family,
					       struct lb_insert *insert, __u32 position)
{
	__u32 reverse = lb_reverse_choose(&insert->reverse);
	int result;

	if (reverse == LB_POSITION_NONE) {
		reverse = lb_reverse_victim(insert->reverse.line[0], insert->reverse.line[1],
					    insert->tick);
		if (reverse == LB_POSITION_NONE)
			return LB_INSERT_FULL;
		lb_reverse_evict(reverse, insert->tick);
	}
	if (!lb_reverse_claim(reverse, insert->reverse.tag, position))
		return LB_INSERT_CONTENDED;
	lb_barrier();
	result = lb_reverse_again(family, insert, reverse);
	if (result != LB_INSERT_DONE) {
		lb_reverse_withdraw(reverse, position);
		return result;
	}
	return lb_conn_publish(family, insert, position, reverse);
}

/* With F claimed: the rest of an insert. */
static __always_inline int lb_insert_claimed(const enum lb_family family, struct lb_insert *insert,
					     __u32 position)
{
	int result;

	/* Right behind the claim: atomics wait for all memory before them, as the claim just has. */
	if (!insert->counted)
		lb_load_take(insert->entry.backend_id, 0);
	insert->counted = 1;
	lb_barrier();
	result = lb_forward_again(family, insert, position);
	if (result != LB_INSERT_DONE)
		return result;
	if (insert->entry.flags & LB_CONN_ONE_SIDED)
		return lb_conn_publish(family, insert, position, LB_POSITION_NONE);
	return lb_insert_two_sided(family, insert, position);
}

/*
 * Begins to read what an insert is going to need. A claim waits for all memory before it: the
 * cold lines are then waited for together instead of one after the other.
 */
static __always_inline void lb_insert_peek(const enum lb_family family,
					   const struct lb_insert *insert)
{
	const struct lb_line *line = host_region(LB_REGION_CONN_REVERSE, insert->reverse.line[0]);
	const struct lb_line *other = host_region(LB_REGION_CONN_REVERSE, insert->reverse.line[1]);
	__u32 position = insert->forward.line[0] * LB_LINE_WORDS + insert->forward.home;
	const __u64 *entry = lb_entry_at(family, position);

	if (entry) {
		lb_load64(entry);
		if (family == LB_IPV6)
			lb_load64(&entry[LB_CONN_WORD_PORTS(LB_IPV6)]);
	}
	if (line && other && !(insert->entry.flags & LB_CONN_ONE_SIDED)) {
		lb_load64(line->word);
		lb_load64(other->word);
	}
}

static __always_inline int lb_insert_try(const enum lb_family family, struct lb_insert *insert)
{
	__u32 position;
	int result;

	if (!insert)
		return LB_INSERT_CONTENDED;
	/* Without lines of its own, a family would begin at the other's. */
	if (!lb_conn_lines(family))
		return LB_INSERT_FULL;
	lb_insert_peek(family, insert);
	position = lb_forward_occupy(insert);
	if (position == LB_POSITION_NONE) {
		position = lb_forward_victim(&insert->forward, insert->tick);
		if (position == LB_POSITION_NONE)
			return LB_INSERT_FULL;
		if (!lb_forward_claim(position, insert->forward.tag, insert->tick))
			return LB_INSERT_CONTENDED;
	}
	result = lb_insert_claimed(family, insert, position);
	if (result == LB_INSERT_DONE)
		return result;
	lb_forward_withdraw(position);
	if (result != LB_INSERT_EXISTS)
		return result;
	return family == LB_IPV4 ? lb_insert_adopt4(insert) : lb_insert_adopt6(insert);
}

LB_SEAM int lb_insert_once4(struct lb_insert *insert)
{
	return lb_insert_try(LB_IPV4, insert);
}

LB_SEAM int lb_insert_once6(struct lb_insert *insert)
{
	return lb_insert_try(LB_IPV6, insert);
}

/*
 * Makes a connection: enum lb_insert_result. Where it was counted in its backend's load and isn't
 * made, the caller gives that back.
 */
static __always_inline int lb_conn_insert(const enum lb_family family, struct lb_insert *insert)
{
	int result = LB_INSERT_CONTENDED;

	for (int i = 0; i < LB_INSERT_TRIES && result == LB_INSERT_CONTENDED; i++)
		result = family == LB_IPV4 ? lb_insert_once4(insert) : lb_insert_once6(insert);
	if (result == LB_INSERT_DONE)
		lb_conn_count(LB_CONN_INSERTED);
	return result;
}

#endif
