/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How connections begin and end; conn.h has the protocol. Steps are global functions that take
 * positions: the verifier then looks at each once, and a choice among sixteen words does not
 * multiply what follows it.
 */
#ifndef LB_CONN_INSERT_H
#define LB_CONN_INSERT_H

#include "conn.h"
#include "conn_line.h"

enum lb_insert_result {
	LB_INSERT_DONE,
	LB_INSERT_EXISTS, /* the flow is there already: entry, word and position are its */
	LB_INSERT_FULL,
	LB_INSERT_CONTENDED, /* gave up beside other inserters */
	LB_INSERT_REVERSE_TAKEN, /* another flow has the reverse key: try another source port */
};

/* A connection to make. The entry is at `position` of conn4 afterwards. */
struct lb_insert {
	struct lb_conn4 entry;
	struct lb_hash forward;
	struct lb_hash reverse;
	__u32 state; /* enum lb_conn_state to start with */
	__u32 idle; /* of the service, encoded */
	__u32 tick;
	__u32 position; /* out */
	__u64 word; /* out: the F word */
};

static __always_inline void lb_conn_count(enum lb_conn_event event)
{
	struct lb_cpu *cpu = host_region(LB_REGION_CPUS, host_slot());

	if (cpu)
		cpu->conn_event[event]++;
}

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

/* Gives up a claimed F word. */
LB_SEAM int lb_forward_withdraw(__u32 position)
{
	__u64 *at = lb_word_at(LB_REGION_CONN_FORWARD, position);

	if (at)
		lb_forward_free(at);
	return 0;
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

/* Where the rest of a source port towards a backend is noted, by the reply's tuple. */
static __always_inline __u16 *lb_source_stamp(const struct lb_tuple4 *reverse)
{
	const volatile struct lb_config *config = host_config();
	__u64 stamps = (__u64)config->stamp_words * LB_STAMPS_PER_WORD;
	__u32 index = lb_conn_sum4(reverse, config->conn_key + 10) * stamps >> 32;
	struct lb_stamps *word = host_region(LB_REGION_SOURCE_STAMPS, index / LB_STAMPS_PER_WORD);

	return word ? &word->tick[index % LB_STAMPS_PER_WORD] : NULL;
}

static __always_inline void lb_conn_reply4(const struct lb_conn4 *conn, struct lb_tuple4 *reply)
{
	*reply = (struct lb_tuple4){
		.saddr = conn->backend,
		.daddr = conn->source,
		.sport = conn->backend_port,
		.dport = conn->source_port,
		.protocol = conn->protocol,
	};
}

/*
 * Ends what the entry of a busy F word says: its R word is freed, its source port rests since
 * the flow was last seen.
 */
LB_SEAM int lb_conn_clear(__u32 position, __u32 age)
{
	const struct lb_conn4 *entry = host_region(LB_REGION_CONN4, position);
	struct lb_tuple4 reply;
	__u16 *stamp;

	if (!entry)
		return 0;
	lb_reverse_free(entry->reverse, position);
	if (entry->flags & LB_CONN_SOURCE_TRANSLATED) {
		lb_conn_reply4(entry, &reply);
		stamp = lb_source_stamp(&reply);
		if (stamp) /* 0: has never been used */
			*(volatile __u16 *)stamp = age & 0xffff ? age : 1;
	}
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

/* The emptier of two lines, but the first while it has room to spare. */
static __always_inline bool lb_line_second(__u32 vacant, __u32 second)
{
	__u32 spare = lb_bits_count(vacant);

	return spare <= LB_LINE_SPARE && lb_bits_count(second) > spare;
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
	__u32 number = insert->forward.line[0], vacant, second, index;
	__u64 word, busy, *at;

	if (!line || !other)
		return LB_POSITION_NONE;
	vacant = lb_line_vacant(line, LB_FORWARD_STATE);
	second = lb_line_vacant(other, LB_FORWARD_STATE);
	if (lb_line_second(vacant, second)) {
		line = other;
		number = insert->forward.line[1];
		vacant = second;
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

static __always_inline void lb_conn_request4(const struct lb_conn4 *conn, struct lb_tuple4 *request)
{
	*request = (struct lb_tuple4){
		.saddr = conn->client,
		.daddr = conn->vip,
		.sport = conn->client_port,
		.dport = conn->vip_port,
		.protocol = conn->protocol,
	};
}

/* Looks again for the key of a claimed word, in one of its lines. */
LB_SEAM int lb_forward_rescan4(struct lb_insert *insert, __u32 line, __u32 claimed)
{
	struct lb_tuple4 request;

	if (!insert)
		return LB_INSERT_CONTENDED;
	lb_conn_request4(&insert->entry, &request);
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
		if (lb_word_holds4(LB_DIRECTION_FORWARD, &request, at, word, position)) {
			insert->position = position;
			insert->word = word;
			return LB_INSERT_EXISTS;
		}
		if (!lb_forward_same(word, lb_load64(at)))
			return LB_INSERT_CONTENDED;
	}
	return LB_INSERT_DONE;
}

/* Takes over the flow that exists. Should it be gone, the entry to insert is still whole. */
LB_SEAM int lb_insert_adopt4(struct lb_insert *insert)
{
	struct lb_conn4 *entry, copy = {};
	__u64 *at, read;

	if (!insert)
		return LB_INSERT_CONTENDED;
	at = lb_word_at(LB_REGION_CONN_FORWARD, insert->position);
	entry = host_region(LB_REGION_CONN4, insert->position);
	if (!at || !entry)
		return LB_INSERT_CONTENDED;
	read = lb_conn_copy(&copy, lb_after(entry, insert->word));
	if (!lb_forward_same(insert->word, lb_load64(lb_after(at, read))))
		return LB_INSERT_CONTENDED;
	insert->entry = copy;
	return LB_INSERT_EXISTS;
}

/* A free R word in one of a key's lines. */
static __always_inline __u32 lb_reverse_choose(const struct lb_hash *hash)
{
	const struct lb_line *line = host_region(LB_REGION_CONN_REVERSE, hash->line[0]);
	const struct lb_line *other = host_region(LB_REGION_CONN_REVERSE, hash->line[1]);
	__u32 number = hash->line[0], vacant, second;

	if (!line || !other)
		return LB_POSITION_NONE;
	vacant = lb_line_vacant(line, LB_REVERSE_STATE);
	second = lb_line_vacant(other, LB_REVERSE_STATE);
	if (lb_line_second(vacant, second)) {
		number = hash->line[1];
		vacant = second;
	}
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

LB_SEAM int lb_conn_release(__u32 position, __u64 word, __u32 tick);

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
LB_SEAM int lb_reverse_rescan4(const struct lb_insert *insert, __u32 line, __u32 claimed)
{
	struct lb_tuple4 reply;

	if (!insert)
		return LB_INSERT_CONTENDED;
	lb_conn_reply4(&insert->entry, &reply);
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
		if (lb_word_holds4(LB_DIRECTION_REVERSE, &reply, at, word, reverse))
			return LB_INSERT_REVERSE_TAKEN;
		if (!lb_reverse_same(word, lb_load64(at)))
			return LB_INSERT_CONTENDED;
	}
	return LB_INSERT_DONE;
}

/* Writes the entry of two claimed words and opens them to readers: R used, then F live. */
static __always_inline int lb_conn_publish(struct lb_insert *insert, __u32 position, __u32 reverse)
{
	__u64 *forward_at = lb_word_at(LB_REGION_CONN_FORWARD, position);
	__u64 *reverse_at = lb_word_at(LB_REGION_CONN_REVERSE, reverse);
	__u64 *to = host_region(LB_REGION_CONN4, position);
	__u64 busy, word, aged;
	__u16 timeout;

	if (!insert || !forward_at || !reverse_at || !to)
		return LB_INSERT_CONTENDED;
	insert->entry.reverse = reverse;
	for (int i = 0; i < 8; i++)
		lb_store64(&to[i], ((const __u64 *)&insert->entry)[i]);
	busy = lb_load64(reverse_at);
	aged = (__u64)((insert->tick - LB_AGE_DUE) & 0xfff) << LB_REVERSE_AGE_SHIFT;
	lb_cas64(reverse_at, busy, (busy ^ LB_REVERSE_BUSY ^ LB_REVERSE_USED) | aged);
	busy = lb_load64(forward_at);
	timeout = lb_conn_timeout(insert->state, insert->entry.protocol, insert->idle);
	word = lb_word_with(busy, insert->state, timeout, insert->tick);
	lb_cas64(forward_at, busy, word);
	insert->position = position;
	insert->word = word;
	return LB_INSERT_DONE;
}

/*
 * Looks again for the key of a claimed F word. A glance at all tags is enough where nobody else
 * has this one.
 */
static __always_inline int lb_forward_again4(struct lb_insert *insert, __u32 position)
{
	const __u32 *number = insert->forward.line;
	const struct lb_line *line = host_region(LB_REGION_CONN_FORWARD, number[0]);
	const struct lb_line *other = host_region(LB_REGION_CONN_FORWARD, number[1]);
	__u16 tag = insert->forward.tag;
	int result;

	if (line && other && lb_line_tagged(line, tag) + lb_line_tagged(other, tag) == 1)
		return LB_INSERT_DONE;
	result = lb_forward_rescan4(insert, number[0], position);
	return result == LB_INSERT_DONE ? lb_forward_rescan4(insert, number[1], position) : result;
}

/* The same of a claimed R word. */
static __always_inline int lb_reverse_again4(const struct lb_insert *insert, __u32 reverse)
{
	const __u32 *number = insert->reverse.line;
	const struct lb_line *line = host_region(LB_REGION_CONN_REVERSE, number[0]);
	const struct lb_line *other = host_region(LB_REGION_CONN_REVERSE, number[1]);
	__u16 tag = insert->reverse.tag;
	int result;

	if (line && other && lb_line_tagged(line, tag) + lb_line_tagged(other, tag) == 1)
		return LB_INSERT_DONE;
	result = lb_reverse_rescan4(insert, number[0], reverse);
	return result == LB_INSERT_DONE ? lb_reverse_rescan4(insert, number[1], reverse) : result;
}

/* With F claimed: the rest of an insert. */
static __always_inline int lb_insert_claimed4(struct lb_insert *insert, __u32 position)
{
	__u32 reverse;
	int result;

	lb_barrier();
	result = lb_forward_again4(insert, position);
	if (result != LB_INSERT_DONE)
		return result;
	reverse = lb_reverse_choose(&insert->reverse);
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
	result = lb_reverse_again4(insert, reverse);
	if (result != LB_INSERT_DONE) {
		lb_reverse_withdraw(reverse, position);
		return result;
	}
	return lb_conn_publish(insert, position, reverse);
}

/*
 * Begins to read what an insert is going to need. A claim waits for all memory before it: the
 * cold lines are then waited for together instead of one after the other.
 */
static __always_inline void lb_insert_peek4(const struct lb_insert *insert)
{
	const struct lb_line *line = host_region(LB_REGION_CONN_REVERSE, insert->reverse.line[0]);
	const struct lb_line *other = host_region(LB_REGION_CONN_REVERSE, insert->reverse.line[1]);
	__u32 position = insert->forward.line[0] * LB_LINE_WORDS + insert->forward.home;
	const struct lb_conn4 *entry = host_region(LB_REGION_CONN4, position);

	if (line && other && entry) {
		lb_load64(line->word);
		lb_load64(other->word);
		lb_load64(&entry->reply);
	}
}

LB_SEAM int lb_insert_once4(struct lb_insert *insert)
{
	__u32 position;
	int result;

	if (!insert)
		return LB_INSERT_CONTENDED;
	lb_insert_peek4(insert);
	position = lb_forward_occupy(insert);
	if (position == LB_POSITION_NONE) {
		position = lb_forward_victim(&insert->forward, insert->tick);
		if (position == LB_POSITION_NONE)
			return LB_INSERT_FULL;
		if (!lb_forward_claim(position, insert->forward.tag, insert->tick))
			return LB_INSERT_CONTENDED;
	}
	result = lb_insert_claimed4(insert, position);
	if (result == LB_INSERT_DONE)
		return result;
	lb_forward_withdraw(position);
	return result == LB_INSERT_EXISTS ? lb_insert_adopt4(insert) : result;
}

/* Makes a connection: enum lb_insert_result. */
static __always_inline int lb_conn_insert4(struct lb_insert *insert)
{
	int result = LB_INSERT_CONTENDED;

	for (int i = 0; i < LB_INSERT_TRIES && result == LB_INSERT_CONTENDED; i++)
		result = lb_insert_once4(insert);
	if (result == LB_INSERT_DONE)
		lb_conn_count(LB_CONN_INSERTED);
	return result;
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

enum lb_source_state {
	LB_SOURCE_VACANT,
	LB_SOURCE_RESTS,
	LB_SOURCE_TAKEN,
};

/* Whether an entry's source port may be used towards its backend; rested: ticks since it was. */
LB_SEAM int lb_source_probe4(const struct lb_conn4 *entry, __u32 tick, __u32 *rested)
{
	struct lb_tuple4 reply;
	struct lb_hash hash;
	__u16 stamp, *at;

	if (!entry || !rested)
		return LB_SOURCE_TAKEN;
	lb_conn_reply4(entry, &reply);
	lb_conn_hash4(&reply, &hash);
	if (lb_conn_search4(LB_DIRECTION_REVERSE, &reply, &hash) != LB_POSITION_NONE)
		return LB_SOURCE_TAKEN;
	at = lb_source_stamp(&reply);
	stamp = at ? *(volatile __u16 *)at : 0;
	*rested = (tick - stamp) & 0xffff;
	if (!stamp || *rested >= LB_SOURCE_REST)
		return LB_SOURCE_VACANT;
	return LB_SOURCE_RESTS;
}

#endif
