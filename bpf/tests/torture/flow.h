/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * One operation of the torture of the connection table, for both hosts. Every thread has a few
 * flows of its own, which only it makes, confirms and releases, and which must be there in
 * between; and all threads make, look up and release the flows of a common crowd, which is larger
 * than the table and in which some want the same reverse key. Each second flow is of IPv6, and of
 * each family some are one-sided.
 *
 * Entries carry a checksum of themselves, so that a reader knows a torn one.
 */
#ifndef LB_TORTURE_FLOW_H
#define LB_TORTURE_FLOW_H

#include "conn.h"
#include "load.h"

#define LB_TORTURE_OWN 4 /* flows of a thread */
#define LB_TORTURE_CROWD 256
#define LB_TORTURE_BACKENDS 8
#define LB_TORTURE_TICK_OPERATIONS 4096 /* of a thread for one tick */

/* In the control region: the clock of all threads. */
static __always_inline __u64 *lb_torture_clock(void)
{
	struct lb_control *control = host_region(LB_REGION_CONTROL, 0);

	return control ? &control->reserved[0] : NULL;
}

/* Violations and successes, in the row of the thread's slot of service_stats. */
struct lb_torture_stats {
	__u64 operations;
	__u64 inserts;
	__u64 torn;
	__u64 duplicates;
	__u64 reverse_duplicates;
	__u64 lost; /* confirmed flows */
	__u64 orphans;
	__u64 contended;
};

_Static_assert(sizeof(struct lb_torture_stats) == sizeof(struct lb_traffic), "lies in such a row");

struct lb_torture {
	__u64 random;
	__u32 slot;
	__u32 tick;
	__u32 held; /* a bit for each own flow that is confirmed */
	__u32 padding;
	/* Too large for a stack that others are on, too. */
	struct lb_insert insert;
	struct lb_conn copy;
};

static __always_inline __u32 lb_torture_random(struct lb_torture *t)
{
	t->random = t->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return t->random >> 33;
}

static __always_inline struct lb_torture_stats *lb_torture_stats(const struct lb_torture *t)
{
	return host_region(LB_REGION_SERVICE_STATS, t->slot * host_config()->max_services);
}

static __always_inline enum lb_family lb_torture_family(__u32 flow)
{
	return flow % 2 ? LB_IPV6 : LB_IPV4;
}

static __always_inline bool lb_torture_one_sided(__u32 flow)
{
	return flow / 2 % 4 == 3;
}

static __always_inline __u8 lb_torture_flags(__u32 flow)
{
	return lb_torture_one_sided(flow) ? LB_CONN_ONE_SIDED : LB_CONN_SOURCE_TRANSLATED;
}

static __always_inline void lb_torture_address(const enum lb_family family, __u32 *address,
					       __u32 value)
{
	address[0] = value;
	address[1] = family == LB_IPV6 ? value * 3 : 0;
	address[2] = family == LB_IPV6 ? ~value : 0;
	address[3] = family == LB_IPV6 ? value << 7 : 0;
}

/*
 * Own flows are numbered behind the crowd. One of the crowd comes back with another source port,
 * so that its reverse key alone would not keep it from being there twice.
 */
static __always_inline void lb_torture_entry(const enum lb_family family, __u32 flow, __u32 dice,
					     struct lb_conn *entry)
{
	const bool crowd = flow < LB_TORTURE_CROWD;

	*entry = (struct lb_conn){
		.client_port = 1000,
		.vip_port = 80,
		.source_port = 2000 + (crowd ? dice % 4 : 0),
		.backend_port = 8080,
		.protocol = LB_PROTOCOL_TCP,
		.flags = lb_torture_flags(flow),
	};
	lb_torture_address(family, entry->client, 0x0a000000 + flow);
	lb_torture_address(family, entry->vip, 0x14000000);
	if (lb_torture_one_sided(flow))
		return;
	lb_torture_address(family, entry->source,
			   crowd ? 0x0b000000 + flow / 8 : 0x0c000000 + flow);
	lb_torture_address(family, entry->backend, 0x1e000000);
}

/* What the reply word of a flow's entry is, by its ends and its nonce. */
static __always_inline __u64 lb_torture_sum(const struct lb_conn *entry)
{
	__u64 sum = lb_word_pair(entry->address_delta, entry->transport_delta);

#pragma GCC unroll 4
	for (int i = 0; i < 4; i++)
		sum = (sum ^ lb_word_pair(entry->source[i], entry->client[i])) *
			      0x9e3779b97f4a7c15ULL +
		      entry->backend_id;
	return sum;
}

static __always_inline void lb_torture_sign(struct lb_conn *entry, __u32 nonce)
{
	entry->address_delta = nonce;
	entry->transport_delta = nonce >> 16;
	entry->backend_id = nonce % LB_TORTURE_BACKENDS;
	entry->reply = lb_torture_sum(entry);
}

static __always_inline bool lb_torture_find_of(const enum lb_family family, struct lb_torture *t,
					       __u32 flow, struct lb_found *found, bool reply)
{
	struct lb_tuple tuple;
	struct lb_hash hash;

	lb_torture_entry(family, flow, lb_torture_random(t), &t->copy);
	if (reply)
		lb_conn_reply(family, &t->copy, &tuple);
	else
		lb_conn_request(family, &t->copy, &tuple);
	lb_conn_hash(family, &tuple, &hash);
	return reply ? lb_conn_find_reverse(family, &tuple, &hash, &t->copy, found) :
		       lb_conn_find_forward(family, &tuple, &hash, &t->copy, found);
}

/* Looks a flow up; by its reply, if it has any. */
LB_SEAM int lb_torture_find(struct lb_torture *t, __u32 flow, struct lb_found *out, __u32 reply)
{
	struct lb_torture_stats *stats;
	struct lb_found found = {};
	bool there;

	if (!t || !out)
		return 0;
	reply &= !lb_torture_one_sided(flow);
	if (lb_torture_family(flow) == LB_IPV4)
		there = reply ? lb_torture_find_of(LB_IPV4, t, flow, &found, true) :
				lb_torture_find_of(LB_IPV4, t, flow, &found, false);
	else
		there = reply ? lb_torture_find_of(LB_IPV6, t, flow, &found, true) :
				lb_torture_find_of(LB_IPV6, t, flow, &found, false);
	if (!there)
		return 0;
	stats = lb_torture_stats(t);
	if (stats)
		stats->torn += t->copy.reply != lb_torture_sum(&t->copy);
	out->word = found.word;
	out->position = found.position;
	out->reverse = found.reverse;
	return 1;
}

static __always_inline bool lb_torture_take(const enum lb_family family, struct lb_torture *t,
					    __u64 *at, __u32 position, bool reply)
{
	const struct lb_conn *made = &t->insert.entry;
	struct lb_tuple tuple;
	struct lb_found found;

	if (reply) {
		lb_conn_reply(family, made, &tuple);
		return lb_take_reverse(family, &tuple, at, lb_load64(at), position, &t->copy,
				       &found);
	}
	lb_conn_request(family, made, &tuple);
	return lb_take_forward(family, &tuple, at, lb_load64(at), position, &t->copy, &found);
}

/* True if the word at a position is of another flow with the key of the flow just made. */
LB_SEAM int lb_torture_is_twin(struct lb_torture *t, __u32 position, __u32 reply)
{
	__u64 *at;

	if (!t)
		return 0;
	if (reply)
		at = lb_word_at(LB_REGION_CONN_REVERSE, position);
	else
		at = lb_word_at(LB_REGION_CONN_FORWARD, position);
	if (!at || position == (reply ? t->insert.entry.reverse : t->insert.position))
		return 0;
	if (t->insert.family == LB_IPV4)
		return reply ? lb_torture_take(LB_IPV4, t, at, position, true) :
			       lb_torture_take(LB_IPV4, t, at, position, false);
	return reply ? lb_torture_take(LB_IPV6, t, at, position, true) :
		       lb_torture_take(LB_IPV6, t, at, position, false);
}

/*
 * True if, besides the flow just made, another one with its key is live: seen twice, while the
 * flow's own word has not changed.
 */
LB_SEAM int lb_torture_twin(struct lb_torture *t, __u32 line, __u32 reply)
{
	__u64 *own;

	if (!t)
		return 0;
	own = lb_word_at(LB_REGION_CONN_FORWARD, t->insert.position);
	for (__u32 i = 0; own && i < LB_LINE_WORDS; i++) {
		if (lb_torture_is_twin(t, line * LB_LINE_WORDS + i, reply) &&
		    lb_forward_same(t->insert.word, lb_load64(own)))
			return 1;
	}
	return 0;
}

/* Counts what is wrong about a flow that was just made. */
LB_SEAM int lb_torture_check(struct lb_torture *t)
{
	struct lb_torture_stats *stats;
	__u64 *own, *reverse, word;

	if (!t)
		return 0;
	stats = lb_torture_stats(t);
	own = lb_word_at(LB_REGION_CONN_FORWARD, t->insert.position);
	if (!stats || !own)
		return 0;
	stats->duplicates += lb_torture_twin(t, t->insert.forward.line[0], 0) ||
			     lb_torture_twin(t, t->insert.forward.line[1], 0);
	if (t->insert.entry.flags & LB_CONN_ONE_SIDED) {
		stats->orphans += t->insert.entry.reverse != LB_POSITION_NONE;
		return 1;
	}
	reverse = lb_word_at(LB_REGION_CONN_REVERSE, t->insert.entry.reverse);
	word = reverse ? lb_load64(reverse) : 0;
	if ((!lb_reverse_is_used(word) || lb_reverse_position(word) != t->insert.position) &&
	    lb_forward_same(t->insert.word, lb_load64(own)))
		stats->orphans++;
	stats->reverse_duplicates += lb_torture_twin(t, t->insert.reverse.line[0], 1) ||
				     lb_torture_twin(t, t->insert.reverse.line[1], 1);
	return 1;
}

static __always_inline int lb_torture_insert_of(const enum lb_family family, struct lb_torture *t,
						__u32 flow)
{
	struct lb_insert *insert = &t->insert;
	struct lb_tuple tuple;
	__u32 backend;
	int result;

	lb_torture_entry(family, flow, lb_torture_random(t), &insert->entry);
	lb_torture_sign(&insert->entry, lb_torture_random(t));
	lb_conn_request(family, &insert->entry, &tuple);
	lb_conn_hash(family, &tuple, &insert->forward);
	lb_conn_reply(family, &insert->entry, &tuple);
	lb_conn_hash(family, &tuple, &insert->reverse);
	insert->family = family;
	insert->state = LB_CONN_NEW;
	insert->idle = 0;
	insert->tick = t->tick;
	backend = insert->entry.backend_id;
	insert->counted = 0;
	result = lb_conn_insert(family, insert);
	if (result != LB_INSERT_DONE && insert->counted)
		lb_load_give(backend);
	return result;
}

LB_SEAM int lb_torture_insert(struct lb_torture *t, __u32 flow, struct lb_found *out)
{
	struct lb_torture_stats *stats;
	int result;

	if (!t || !out)
		return LB_INSERT_FULL;
	result = lb_torture_family(flow) == LB_IPV4 ? lb_torture_insert_of(LB_IPV4, t, flow) :
						      lb_torture_insert_of(LB_IPV6, t, flow);
	stats = lb_torture_stats(t);
	if (!stats)
		return LB_INSERT_FULL;
	stats->contended += result == LB_INSERT_CONTENDED;
	if (result != LB_INSERT_DONE)
		return result;
	stats->inserts++;
	out->word = t->insert.word;
	out->position = t->insert.position;
	lb_torture_check(t);
	return result;
}

/* Confirms a flow that the thread has just made; 0: it was evicted before. */
LB_SEAM int lb_torture_confirm(struct lb_torture *t, __u32 flow, struct lb_found *found)
{
	const __u32 flags = lb_torture_flags(flow);

	if (!t || !found)
		return 0;
	if (flags & LB_CONN_ONE_SIDED) {
		for (int i = 0; i < 2; i++)
			lb_conn_note(found->position, found->word, 0,
				     LB_EVENT(LB_DIRECTION_FORWARD, flags, 17, 0), t->tick);
	} else {
		if (!lb_torture_find(t, flow, found, 1))
			return 0;
		lb_conn_note(found->position, found->word, found->reverse,
			     LB_EVENT(LB_DIRECTION_REVERSE, flags, 17, 0), t->tick);
	}
	return lb_torture_find(t, flow, found, 0) &&
	       lb_word_state(found->word) == LB_CONN_ESTABLISHED;
}

/* Lets a flow of the thread's own live, or checks that it does, or ends it. */
LB_SEAM int lb_torture_own(struct lb_torture *t, __u32 dice)
{
	struct lb_found found = {};
	struct lb_torture_stats *stats;
	__u32 which, flow;

	if (!t)
		return 0;
	which = dice % LB_TORTURE_OWN;
	flow = LB_TORTURE_CROWD + t->slot * LB_TORTURE_OWN + which;
	stats = lb_torture_stats(t);
	if (!stats)
		return 0;
	if (!(t->held >> which & 1)) {
		if (lb_torture_insert(t, flow, &found) != LB_INSERT_DONE)
			return 0;
		if (lb_torture_confirm(t, flow, &found))
			t->held |= 1U << which;
		return 0;
	}
	if (!lb_torture_find(t, flow, &found, 1) || !lb_torture_find(t, flow, &found, 0)) {
		stats->lost++;
		t->held &= ~(1U << which);
		return 0;
	}
	lb_conn_note(found.position, found.word, 0, LB_EVENT(LB_DIRECTION_FORWARD, 0, 17, 0),
		     t->tick);
	if (dice >> 8 & 15)
		return 0;
	/* Refreshed by nobody else: the release can't fail but for a reason. */
	if (lb_torture_find(t, flow, &found, 0))
		stats->lost += !lb_conn_release(found.position, found.word, t->tick);
	t->held &= ~(1U << which);
	return 0;
}

LB_SEAM int lb_torture_crowd(struct lb_torture *t, __u32 dice)
{
	struct lb_found found = {};
	__u32 flow = dice % LB_TORTURE_CROWD;

	if (!t)
		return 0;
	if (dice >> 16 & 1) {
		lb_torture_find(t, flow, &found, 1);
		return 0;
	}
	if (!lb_torture_find(t, flow, &found, 0)) {
		lb_torture_insert(t, flow, &found);
		return 0;
	}
	switch (dice >> 17 & 7) {
	case 0:
	case 1:
		return lb_conn_release(found.position, found.word, t->tick);
	case 2: /* closes: a handshake is reset */
		return lb_conn_note(found.position, found.word, 0,
				    LB_EVENT(LB_DIRECTION_FORWARD, 0, LB_PROTOCOL_TCP, LB_TCP_RST),
				    t->tick);
	default:
		return lb_conn_note(found.position, found.word, 0,
				    LB_EVENT(LB_DIRECTION_FORWARD, 0, 17, 0), t->tick);
	}
}

/* Advances the common clock now and then, and does something to some flow. */
static __always_inline void lb_torture_operate(struct lb_torture *t)
{
	struct lb_torture_stats *stats = lb_torture_stats(t);
	__u64 *clock = lb_torture_clock();
	__u32 dice = lb_torture_random(t);

	if (!stats || !clock)
		return;
	stats->operations++;
	if (stats->operations % LB_TORTURE_TICK_OPERATIONS == 0)
		lb_fetch_add64(clock, 1);
	t->tick = lb_load64(clock) + 1000;
	if (dice >> 24 & 1)
		lb_torture_own(t, dice >> 4);
	else
		lb_torture_crowd(t, dice);
}

#endif
