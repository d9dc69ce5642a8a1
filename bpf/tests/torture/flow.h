/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * One operation of the torture of the connection table, for both hosts. Every thread has a few
 * flows of its own, which only it makes, confirms and releases, and which must be there in
 * between; and all threads make, look up and release the flows of a common crowd, which is larger
 * than the table and in which each two flows want the same reverse key.
 *
 * Entries carry a checksum of themselves, so that a reader knows a torn one.
 */
#ifndef LB_TORTURE_FLOW_H
#define LB_TORTURE_FLOW_H

#include "conn.h"

#define LB_TORTURE_OWN 4 /* flows of a thread */
#define LB_TORTURE_CROWD 256
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

/*
 * Own flows are numbered behind the crowd. One of the crowd comes back with another source port,
 * so that its reverse key alone would not keep it from being there twice.
 */
static __always_inline void lb_torture_entry(__u32 flow, __u32 dice, struct lb_conn4 *entry)
{
	*entry = (struct lb_conn4){
		.client = 0x0a000000 + flow,
		.vip = 0x14000000,
		.source = flow < LB_TORTURE_CROWD ? 0x0b000000 + flow / 2 : 0x0c000000 + flow,
		.backend = 0x1e000000,
		.client_port = 1000,
		.vip_port = 80,
		.source_port = 2000 + (flow < LB_TORTURE_CROWD ? dice % 4 : 0),
		.backend_port = 8080,
		.protocol = LB_PROTOCOL_TCP,
		.flags = LB_CONN_SOURCE_TRANSLATED,
	};
}

/* What the reply word and the deltas of a flow's entry are, by its nonce. */
static __always_inline __u64 lb_torture_sum(const struct lb_conn4 *entry)
{
	__u64 sum = (__u64)entry->client << 32 | entry->source;

	return (sum ^ ((__u64)entry->backend_id << 17)) * 0x9e3779b97f4a7c15ULL;
}

static __always_inline void lb_torture_sign(struct lb_conn4 *entry, __u32 nonce)
{
	entry->backend_id = nonce;
	entry->reply = lb_torture_sum(entry);
	entry->address_delta = entry->reply >> 7;
	entry->transport_delta = entry->reply >> 23;
}

static __always_inline bool lb_torture_whole(const struct lb_conn4 *entry)
{
	return entry->reply == lb_torture_sum(entry) &&
	       entry->address_delta == (__u16)(entry->reply >> 7) &&
	       entry->transport_delta == (__u16)(entry->reply >> 23);
}

LB_SEAM int lb_torture_find(struct lb_torture *t, __u32 flow, struct lb_found *out, __u32 reply)
{
	struct lb_torture_stats *stats;
	struct lb_conn4 entry;
	struct lb_found found = {};
	struct lb_tuple4 tuple;
	struct lb_hash hash;
	bool there;

	if (!t || !out)
		return 0;
	lb_torture_entry(flow, lb_torture_random(t), &entry);
	if (reply)
		lb_conn_reply4(&entry, &tuple);
	else
		lb_conn_request4(&entry, &tuple);
	lb_conn_hash4(&tuple, &hash);
	if (reply)
		there = lb_conn_find_reverse4(&tuple, &hash, &entry, &found);
	else
		there = lb_conn_find_forward4(&tuple, &hash, &entry, &found);
	if (!there)
		return 0;
	stats = lb_torture_stats(t);
	if (stats)
		stats->torn += !lb_torture_whole(&entry);
	out->word = found.word;
	out->position = found.position;
	out->reverse = found.reverse;
	return 1;
}

/*
 * True if, besides the flow just made, another one with its key is live: seen twice, while the
 * flow's own word has not changed.
 */
LB_SEAM int lb_torture_twin(const struct lb_insert *made, __u32 line, __u32 reply)
{
	struct lb_tuple4 tuple;
	struct lb_conn4 copy;
	struct lb_found found;
	__u64 *own;

	if (!made)
		return 0;
	own = lb_word_at(LB_REGION_CONN_FORWARD, made->position);
	if (reply)
		lb_conn_reply4(&made->entry, &tuple);
	else
		lb_conn_request4(&made->entry, &tuple);
	for (__u32 i = 0; i < LB_LINE_WORDS; i++) {
		__u32 position = line * LB_LINE_WORDS + i;
		__u64 *at, word;

		if (reply)
			at = lb_word_at(LB_REGION_CONN_REVERSE, position);
		else
			at = lb_word_at(LB_REGION_CONN_FORWARD, position);
		if (!at || !own || position == (reply ? made->entry.reverse : made->position))
			continue;
		word = lb_load64(at);
		if (reply ? !lb_take_reverse4(&tuple, at, word, position, &copy, &found) :
			    !lb_take_forward4(&tuple, at, word, position, &copy, &found))
			continue;
		if (lb_forward_same(made->word, lb_load64(own)))
			return 1;
	}
	return 0;
}

/* Counts what is wrong about a flow that was just made. */
LB_SEAM int lb_torture_check(struct lb_torture *t, const struct lb_insert *made)
{
	struct lb_torture_stats *stats;
	__u64 *own, *reverse, word;

	if (!t || !made)
		return 0;
	stats = lb_torture_stats(t);
	own = lb_word_at(LB_REGION_CONN_FORWARD, made->position);
	reverse = lb_word_at(LB_REGION_CONN_REVERSE, made->entry.reverse);
	if (!stats || !own || !reverse)
		return 0;
	word = lb_load64(reverse);
	if ((!lb_reverse_is_used(word) || lb_reverse_position(word) != made->position) &&
	    lb_forward_same(made->word, lb_load64(own)))
		stats->orphans++;
	stats->duplicates += lb_torture_twin(made, made->forward.line[0], 0) ||
			     lb_torture_twin(made, made->forward.line[1], 0);
	stats->reverse_duplicates += lb_torture_twin(made, made->reverse.line[0], 1) ||
				     lb_torture_twin(made, made->reverse.line[1], 1);
	return 1;
}

LB_SEAM int lb_torture_insert(struct lb_torture *t, __u32 flow, struct lb_found *out)
{
	struct lb_insert insert = {};
	struct lb_torture_stats *stats;
	struct lb_tuple4 tuple;
	int result;

	if (!t || !out)
		return LB_INSERT_FULL;
	lb_torture_entry(flow, lb_torture_random(t), &insert.entry);
	lb_torture_sign(&insert.entry, lb_torture_random(t));
	lb_conn_request4(&insert.entry, &tuple);
	lb_conn_hash4(&tuple, &insert.forward);
	lb_conn_reply4(&insert.entry, &tuple);
	lb_conn_hash4(&tuple, &insert.reverse);
	insert.state = LB_CONN_NEW;
	insert.tick = t->tick;
	result = lb_conn_insert4(&insert);
	stats = lb_torture_stats(t);
	if (!stats)
		return LB_INSERT_FULL;
	stats->contended += result == LB_INSERT_CONTENDED;
	if (result != LB_INSERT_DONE)
		return result;
	stats->inserts++;
	out->word = insert.word;
	out->position = insert.position;
	lb_torture_check(t, &insert);
	return result;
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
		lb_conn_note(found.position, found.word, 0, LB_EVENT(LB_DIRECTION_REVERSE, 0, 0),
			     t->tick);
		if (!lb_torture_find(t, flow, &found, 1))
			return 0; /* evicted before it was confirmed */
		lb_conn_note(found.position, found.word, found.reverse,
			     LB_EVENT(LB_DIRECTION_REVERSE, 17, 0), t->tick);
		if (lb_torture_find(t, flow, &found, 0) &&
		    lb_word_state(found.word) == LB_CONN_ESTABLISHED)
			t->held |= 1U << which;
		return 0;
	}
	if (!lb_torture_find(t, flow, &found, 1) || !lb_torture_find(t, flow, &found, 0)) {
		stats->lost++;
		t->held &= ~(1U << which);
		return 0;
	}
	lb_conn_note(found.position, found.word, 0, LB_EVENT(LB_DIRECTION_FORWARD, 17, 0), t->tick);
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
				    LB_EVENT(LB_DIRECTION_FORWARD, LB_PROTOCOL_TCP, LB_TCP_RST),
				    t->tick);
	default:
		return lb_conn_note(found.position, found.word, 0,
				    LB_EVENT(LB_DIRECTION_FORWARD, 17, 0), t->tick);
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
