/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The connection table: look-up and what a packet does to its flow. conn_insert.h makes and ends
 * connections, conn_state.h says what the words mean, conn_tend.h is for user space.
 *
 *	conn_forward  lines of eight F words     tag 16 generation 16 age 16 timeout 12 state 4
 *	conn4         an entry for each F word, at the same position
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
 * Because of the second look of each inserter, after it is visible itself, two that insert one
 * flow see each other: at least one withdraws. Ages and states change by compare-and-swap on
 * live words.
 */
#ifndef LB_CONN_H
#define LB_CONN_H

#include "conn_state.h"
#include "host.h"
#include "index.h"

#define LB_POSITION_NONE 0xffffffffU
#define LB_TAG_LIMIT (1ULL << LB_FORWARD_TAG_SHIFT)
#define LB_REVERSE_AGE (0xfffULL << LB_REVERSE_AGE_SHIFT)
#define LB_REVERSE_POSITION ((1U << 26) - 1)
_Static_assert(LB_FORWARD_TAG_SHIFT == LB_REVERSE_TAG_SHIFT, "one probe serves both");

/* One direction of a flow, as on the wire. */
struct lb_tuple4 {
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
	__u32 protocol;
};

struct lb_hash {
	__u32 line[2];
	__u16 tag; /* not 0 */
	__u16 home; /* the word of a line that it is in if it can be */
};

struct lb_found {
	__u64 word; /* F or R word, by direction */
	__u32 position; /* of F word and entry */
	__u32 reverse; /* of the R word, if that was looked up */
	struct lb_conn4 *entry;
};

/* Multilinear hashing (Lemire, Kaser: "Strongly universal string hashing is fast"), 32 bits. */
static __always_inline __u32 lb_conn_sum4(const struct lb_tuple4 *tuple, const volatile __u64 *key)
{
	__u32 ports = tuple->sport | (__u32)tuple->dport << 16;
	__u64 sum = key[0];

	sum += (key[1] + tuple->saddr) * (key[2] + tuple->daddr);
	sum += (key[3] + ports) * (key[4] + tuple->protocol);
	return lb_sum_finish(sum);
}

/* A sum's upper bits make a line; the lower ones of the first the home, of the second the tag. */
static __always_inline void lb_conn_hash4(const struct lb_tuple4 *tuple, struct lb_hash *hash)
{
	const volatile struct lb_config *config = host_config();
	__u64 lines = config->conn_lines;
	__u32 first = lb_conn_sum4(tuple, config->conn_key);
	__u32 second = lb_conn_sum4(tuple, config->conn_key + 5);

	hash->line[0] = first * lines >> 32;
	hash->line[1] = second * lines >> 32;
	hash->tag = (second & 0xfffe) + 1;
	hash->home = first % LB_LINE_WORDS;
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

/* Copies the part of an entry that does not change. Returns a value made of all that was read. */
static __always_inline __u64 lb_conn_copy(struct lb_conn4 *copy, const struct lb_conn4 *entry)
{
	const __u64 *from = (const __u64 *)entry;
	__u64 *to = (__u64 *)copy;
	__u64 all = 0;

#pragma GCC unroll 6
	for (int i = 0; i < 6; i++) {
		to[i] = lb_load64(&from[i]);
		all |= to[i];
	}
	return all;
}

_Static_assert(offsetof(struct lb_conn4, created) == 6 * sizeof(__u64), "what lb_conn_copy copies");

static __always_inline bool lb_conn_is_forward4(const struct lb_conn4 *conn,
						const struct lb_tuple4 *tuple)
{
	return conn->client == tuple->saddr && conn->vip == tuple->daddr &&
	       conn->client_port == tuple->sport && conn->vip_port == tuple->dport &&
	       conn->protocol == tuple->protocol;
}

static __always_inline bool lb_conn_is_reverse4(const struct lb_conn4 *conn,
						const struct lb_tuple4 *tuple)
{
	return conn->backend == tuple->saddr && conn->source == tuple->daddr &&
	       conn->backend_port == tuple->sport && conn->source_port == tuple->dport &&
	       conn->protocol == tuple->protocol;
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
static __always_inline bool lb_take_forward4(const struct lb_tuple4 *tuple, __u64 *at, __u64 word,
					     __u32 position, struct lb_conn4 *copy,
					     struct lb_found *found)
{
	struct lb_conn4 *entry = host_region(LB_REGION_CONN4, position);
	__u64 read;

	if (!entry || !lb_word_is_live(word))
		return false;
	read = lb_conn_copy(copy, lb_after(entry, word));
	if (!lb_forward_same(word, lb_load64(lb_after(at, read))))
		return false;
	found->word = word;
	found->position = position;
	found->entry = entry;
	return lb_conn_is_forward4(copy, tuple);
}

/* The same of an R word. */
static __always_inline bool lb_take_reverse4(const struct lb_tuple4 *tuple, __u64 *at, __u64 word,
					     __u32 reverse, struct lb_conn4 *copy,
					     struct lb_found *found)
{
	struct lb_conn4 *entry = host_region(LB_REGION_CONN4, lb_reverse_position(word));
	__u64 read;

	if (!entry || !lb_reverse_is_used(word))
		return false;
	read = lb_conn_copy(copy, lb_after(entry, word));
	if (!lb_reverse_same(word, lb_load64(lb_after(at, read))))
		return false;
	found->word = word;
	found->position = lb_reverse_position(word);
	found->reverse = reverse;
	found->entry = entry;
	return lb_conn_is_reverse4(copy, tuple);
}

/* Takes the flow at a position. */
static __always_inline bool lb_take4(enum lb_direction direction, const struct lb_tuple4 *tuple,
				     __u32 position, struct lb_conn4 *copy, struct lb_found *found)
{
	__u64 *at;

	if (direction == LB_DIRECTION_FORWARD) {
		at = lb_word_at(LB_REGION_CONN_FORWARD, position);
		return at && lb_take_forward4(tuple, at, lb_load64(at), position, copy, found);
	}
	at = lb_word_at(LB_REGION_CONN_REVERSE, position);
	return at && lb_take_reverse4(tuple, at, lb_load64(at), position, copy, found);
}

/* True if the entry of a word that was read at `at` has the tuple's key, in a direction. */
static __always_inline bool lb_word_holds4(enum lb_direction direction,
					   const struct lb_tuple4 *tuple, __u64 *at, __u64 word,
					   __u32 position)
{
	const bool forward = direction == LB_DIRECTION_FORWARD;
	__u64 ends, ports, rest, again;
	const __u64 *entry;

	if (forward ? !lb_word_is_live(word) : !lb_reverse_is_used(word))
		return false;
	entry = host_region(LB_REGION_CONN4, forward ? position : lb_reverse_position(word));
	if (!entry)
		return false;
	entry = lb_after((void *)entry, word);
	ends = lb_load64(&entry[forward ? 0 : 1]);
	ports = lb_load64(&entry[2]);
	rest = lb_load64(&entry[3]);
	again = lb_load64(lb_after(at, ends | ports | rest));
	if (forward ? !lb_forward_same(word, again) : !lb_reverse_same(word, again))
		return false;
	if (forward)
		return ends == (tuple->saddr | (__u64)tuple->daddr << 32) &&
		       (__u32)ports == (tuple->sport | (__u32)tuple->dport << 16) &&
		       (__u8)rest == tuple->protocol;
	return ends == (tuple->daddr | (__u64)tuple->saddr << 32) &&
	       (__u32)(ports >> 32) == (tuple->dport | (__u32)tuple->sport << 16) &&
	       (__u8)rest == tuple->protocol;
}

_Static_assert(offsetof(struct lb_conn4, client) == 0 && offsetof(struct lb_conn4, source) == 8 &&
		       offsetof(struct lb_conn4, client_port) == 16 &&
		       offsetof(struct lb_conn4, source_port) == 20 &&
		       offsetof(struct lb_conn4, protocol) == 24,
	       "the words that lb_word_holds4 reads");

/* The position of a tuple's word in a line, behind a word that only shares its tag. */
static __always_inline __u32 lb_line_search4(enum lb_direction direction,
					     const struct lb_tuple4 *tuple, __u32 line, __u16 tag)
{
	for (__u32 i = 0; i < LB_LINE_WORDS; i++) {
		__u32 position = line * LB_LINE_WORDS + i;
		__u64 *at, word;

		if (direction == LB_DIRECTION_FORWARD)
			at = lb_word_at(LB_REGION_CONN_FORWARD, position);
		else
			at = lb_word_at(LB_REGION_CONN_REVERSE, position);
		word = at ? lb_load64(at) : 0;
		if (at && word >> LB_FORWARD_TAG_SHIFT == tag &&
		    lb_word_holds4(direction, tuple, at, word, position))
			return position;
	}
	return LB_POSITION_NONE;
}

/* What a look-up does when the first word with the tag was another flow's: it reads all. */
LB_SEAM __u32 lb_forward_search4(const struct lb_tuple4 *tuple, __u32 line, __u32 tag)
{
	return tuple ? lb_line_search4(LB_DIRECTION_FORWARD, tuple, line, tag) : LB_POSITION_NONE;
}

LB_SEAM __u32 lb_reverse_search4(const struct lb_tuple4 *tuple, __u32 line, __u32 tag)
{
	return tuple ? lb_line_search4(LB_DIRECTION_REVERSE, tuple, line, tag) : LB_POSITION_NONE;
}

static __always_inline __u32 lb_conn_search4(enum lb_direction direction,
					     const struct lb_tuple4 *tuple,
					     const struct lb_hash *hash)
{
	/* What crosses the seam lies in memory; the caller's own may stay in registers. */
	struct lb_tuple4 crossing = *tuple;
	__u32 position;

	if (direction == LB_DIRECTION_FORWARD) {
		position = lb_forward_search4(&crossing, hash->line[0], hash->tag);
		if (position == LB_POSITION_NONE)
			position = lb_forward_search4(&crossing, hash->line[1], hash->tag);
	} else {
		position = lb_reverse_search4(&crossing, hash->line[0], hash->tag);
		if (position == LB_POSITION_NONE)
			position = lb_reverse_search4(&crossing, hash->line[1], hash->tag);
	}
	return position;
}

/* Looks a flow up by its tuple in a direction; true, and the copy may be used. */
static __always_inline bool lb_conn_find4(enum lb_direction direction,
					  const struct lb_tuple4 *tuple, const struct lb_hash *hash,
					  struct lb_conn4 *copy, struct lb_found *found)
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
		number = hash->line[1];
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
	if (forward ? lb_take_forward4(tuple, at, word, position, copy, found) :
		      lb_take_reverse4(tuple, at, word, position, copy, found))
		return true;
	position = lb_conn_search4(direction, tuple, hash);
	return position != LB_POSITION_NONE && lb_take4(direction, tuple, position, copy, found);
}

static __always_inline bool lb_conn_find_forward4(const struct lb_tuple4 *tuple,
						  const struct lb_hash *hash, struct lb_conn4 *copy,
						  struct lb_found *found)
{
	return lb_conn_find4(LB_DIRECTION_FORWARD, tuple, hash, copy, found);
}

static __always_inline bool lb_conn_find_reverse4(const struct lb_tuple4 *tuple,
						  const struct lb_hash *hash, struct lb_conn4 *copy,
						  struct lb_found *found)
{
	return lb_conn_find4(LB_DIRECTION_REVERSE, tuple, hash, copy, found);
}

/* The idle timeout of a service's established flows, encoded. */
static __always_inline __u16 lb_service_idle(__u16 service)
{
	const struct lb_control *control = host_region(LB_REGION_CONTROL, 0);
	const struct lb_service *record;
	__u32 bank;

	if (!control)
		return LB_TIMEOUT_FIN;
	bank = *(const volatile __u32 *)&control->active & 1;
	record = host_region(LB_REGION_SERVICES, bank * host_config()->max_services + service);
	return record && record->flags & LB_SERVICE_USED ? record->idle : LB_TIMEOUT_FIN;
}

/* Of a packet: what its flow needs to know. */
#define LB_EVENT(direction, protocol, tcp_flags) \
	((__u32)(direction) | (__u32)(protocol) << 8 | (__u32)(tcp_flags) << 16)

/* The F word after a packet, or the same word if nothing is due. */
LB_SEAM __u64 lb_word_advance(__u64 word, __u32 position, __u32 event, __u32 tick)
{
	enum lb_conn_state state = lb_word_state(word), next;
	__u8 protocol = event >> 8, tcp_flags = event >> 16;
	__u16 timeout = word >> LB_FORWARD_TIMEOUT_SHIFT & 0xfff;
	const struct lb_conn4 *entry;
	__u16 idle = LB_TIMEOUT_FIN;

	next = lb_conn_next_state(state, event & 1, protocol, tcp_flags);
	if (next == state && lb_word_idle(word, tick) < LB_AGE_DUE)
		return word;
	/* Trying again and again must not keep a dead backend's flow alive. */
	if (next == state && tcp_flags & LB_TCP_SYN)
		return word;
	if (next != state) {
		entry = host_region(LB_REGION_CONN4, position);
		if (entry && next == LB_CONN_ESTABLISHED)
			idle = lb_service_idle(*(const volatile __u16 *)&entry->service);
		timeout = lb_conn_timeout(next, protocol, idle);
	}
	return lb_word_with(word, next, timeout, tick);
}

/*
 * Changes age and state of the flow at a position as a packet demands: word is its F word, or,
 * of a reply, its R word, which is at `reverse`.
 */
LB_SEAM int lb_conn_note(__u32 position, __u64 word, __u32 reverse, __u32 event, __u32 tick)
{
	__u64 *at = lb_word_at(LB_REGION_CONN_FORWARD, position), *owned = NULL;
	__u64 owner = word;

	if (!at)
		return 0;
	if ((event & 1) == LB_DIRECTION_REVERSE) {
		owner = lb_load64(at);
		owned = lb_word_at(LB_REGION_CONN_REVERSE, reverse);
		/* The R word is still the same: so F was its owner when it was read. */
		if (!owned || !lb_reverse_same(word, lb_load64(lb_after(owned, owner))))
			return 0;
	}
	for (int i = 0; i < LB_INSERT_TRIES; i++) {
		__u64 next, old;

		if (!lb_word_is_live(owner))
			return 0;
		next = lb_word_advance(owner, position, event, tick);
		old = next == owner ? owner : lb_cas64(at, owner, next);
		if (old == owner)
			break;
		if (!lb_forward_same(owner, old))
			return 0;
		owner = old;
	}
	if (owned) {
		__u64 aged = (word & ~LB_REVERSE_AGE) | (__u64)(tick & 0xfff)
								<< LB_REVERSE_AGE_SHIFT;

		lb_cas64(owned, word, aged);
	}
	return 1;
}

/*
 * What a packet means to its flow. An established flow's costs two comparisons; replies look at
 * the R word's own age, which starts as due, so that the first reply is always noted.
 */
static __always_inline void lb_conn_seen(const struct lb_found *found, enum lb_direction direction,
					 __u8 protocol, __u8 tcp_flags, __u32 tick)
{
	const __u8 turns = LB_TCP_SYN | LB_TCP_FIN | LB_TCP_RST;
	bool due;

	if (direction == LB_DIRECTION_FORWARD) {
		due = ((tick - (__u32)(found->word >> LB_FORWARD_AGE_SHIFT)) & 0xffff) >=
		      LB_AGE_DUE;
		due |= protocol == LB_PROTOCOL_TCP &&
		       lb_word_state(found->word) != LB_CONN_ESTABLISHED;
	} else {
		due = ((tick - (__u32)(found->word >> LB_REVERSE_AGE_SHIFT)) & 0xfff) >= LB_AGE_DUE;
	}
	if (due || tcp_flags & turns)
		lb_conn_note(found->position, found->word, found->reverse,
			     LB_EVENT(direction, protocol, tcp_flags), tick);
}

#include "conn_insert.h"

#endif
