/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which backend a client has at a service: a cache of two candidate lines by key. A row's word
 * is tick 32 | generation 31 | busy 1; while it is busy, the tick's place has the claimer's cpu
 * slot + 1.
 *
 *	look up   read the word, the row, the word again: its lower half is the same and not busy
 *	put       busy, with the next generation, by compare-and-swap; write the row; not busy
 *	refresh   another tick by compare-and-swap
 *
 * Two CPUs that put one client at once may make two rows of it. The first is found ever after,
 * so the other ends by itself.
 */
#ifndef LB_AFFINITY_H
#define LB_AFFINITY_H

#include "conn_state.h"
#include "flow.h"
#include "index.h"

#define LB_AFFINITY_BUSY 1ULL
#define LB_AFFINITY_TICK_SHIFT 32
#define LB_AFFINITY_CANDIDATES (2U * LB_AFFINITIES_PER_LINE)

/* A choice of a backend: backend id << 32 | number of the member in its service. */
#define LB_CHOICE_NONE (~0ULL)
#define LB_CHOICE_BACKEND_SHIFT 32

/* What a row is of, and the row that was found. */
struct lb_affinity_key {
	__u64 address[2];
	__u32 line[2];
	__u32 mark; /* service id + 1 */
	__u32 reserved;
	__u64 word; /* out */
	__u64 choice; /* out */
};

static __always_inline struct lb_affinity_key lb_affinity_key(__u32 service, __u64 first,
							      __u64 second)
{
	const volatile struct lb_config *config = host_config();
	const volatile __u64 *key = config->select_key + 27;
	struct lb_affinity_key made = { .address = { first, second }, .mark = service + 1 };
	__u64 sum = key[0] * service;

	sum += key[1] * (__u32)first + key[2] * (first >> 32);
	sum += key[3] * (__u32)second + key[4] * (second >> 32);
	lb_index_lines(sum, config->affinity_lines, made.line);
	return made;
}

static __always_inline struct lb_affinity_key lb_affinity_key_of(__u32 service, const __u32 *client)
{
	return lb_affinity_key(service, client[0] | (__u64)client[1] << 32,
			       client[2] | (__u64)client[3] << 32);
}

static __always_inline struct lb_affinity *lb_affinity_at(__u32 position)
{
	struct lb_affinity_line *line = host_region(LB_REGION_AFFINITY,
						    position / LB_AFFINITIES_PER_LINE);

	return line ? &line->affinity[position % LB_AFFINITIES_PER_LINE] : NULL;
}

static __always_inline __u32 lb_affinity_candidate(const struct lb_affinity_key *key, __u32 number)
{
	__u32 line = number < LB_AFFINITIES_PER_LINE ? key->line[0] : key->line[1];

	return line * LB_AFFINITIES_PER_LINE + number % LB_AFFINITIES_PER_LINE;
}

/* A row's last word: what it is of besides the address, and what was chosen. */
static __always_inline __u64 lb_affinity_rest(__u32 mark, __u64 choice)
{
	return choice >> LB_CHOICE_BACKEND_SHIFT << 32 | (choice & 0xffff) << 16 | mark;
}

_Static_assert(offsetof(struct lb_affinity, address) == 8 &&
		       offsetof(struct lb_affinity, service) == 24 &&
		       offsetof(struct lb_affinity, member) == 26 &&
		       offsetof(struct lb_affinity, backend) == 28 &&
		       sizeof(struct lb_affinity) == 32,
	       "a row is four words");

/* True if the row at a position is the key's: fills in what it says. */
static __always_inline bool lb_affinity_read(__u32 position, struct lb_affinity_key *key)
{
	__u64 *at = (__u64 *)lb_affinity_at(position);
	__u64 word, first, second, rest, again;
	const __u64 *row;

	if (!at)
		return false;
	word = lb_load64(at);
	row = lb_after(at, word);
	first = lb_load64(&row[1]);
	second = lb_load64(&row[2]);
	rest = lb_load64(&row[3]);
	again = lb_load64(lb_after(at, first | second | rest));
	if ((__u32)(word ^ again) || word & LB_AFFINITY_BUSY)
		return false;
	if (first != key->address[0] || second != key->address[1] || (__u16)rest != key->mark)
		return false;
	key->word = word;
	key->choice = rest >> 32 << LB_CHOICE_BACKEND_SHIFT | (rest >> 16 & 0xffff);
	return true;
}

/* The position of a key's row, or LB_POSITION_NONE. */
LB_SEAM __u32 lb_affinity_search(struct lb_affinity_key *key)
{
	if (!key)
		return LB_POSITION_NONE;
	for (__u32 i = 0; i < LB_AFFINITY_CANDIDATES; i++) {
		__u32 position = lb_affinity_candidate(key, i);

		if (lb_affinity_read(position, key))
			return position;
	}
	return LB_POSITION_NONE;
}

/* Ticks since a row's client was last seen; those of other CPUs may be ahead. */
static __always_inline __u32 lb_affinity_idle(__u64 word, __u32 tick)
{
	__u32 idle = tick - (__u32)(word >> LB_AFFINITY_TICK_SHIFT);

	return (__s32)idle < 0 ? 0 : idle;
}

/* True if that is more than some seconds, whenever within its tick it was. */
static __always_inline bool lb_affinity_is_over(__u64 word, __u32 tick, __u32 persist)
{
	__u64 idle = lb_affinity_idle(word, tick);

	return idle && (idle - 1) << LB_TICK_SHIFT > persist * 1000000000ULL;
}

/* The choice that a flow's client has at the flow's service, or LB_CHOICE_NONE. */
LB_SEAM __u64 lb_affinity_find(const struct lb_flow *flow, __u32 persist)
{
	struct lb_affinity_key key;

	if (!flow)
		return LB_CHOICE_NONE;
	key = lb_affinity_key_of(flow->service, flow->tuple.saddr);
	if (lb_affinity_search(&key) == LB_POSITION_NONE ||
	    lb_affinity_is_over(key.word, flow->tick, persist))
		return LB_CHOICE_NONE;
	return key.choice;
}

/* Marks a row as seen at a tick, if it is still the same. */
static __always_inline int lb_affinity_touch(__u32 position, __u64 word, __u32 tick)
{
	struct lb_affinity *at = lb_affinity_at(position);

	if (!at || (__s32)(tick - (__u32)(word >> LB_AFFINITY_TICK_SHIFT)) <= 0)
		return 0;
	return lb_cas64(&at->word, word, (__u64)tick << LB_AFFINITY_TICK_SHIFT | (__u32)word) ==
	       word;
}

/* The candidate that is free, or else has been idle longest; LB_POSITION_NONE: all are busy. */
LB_SEAM __u32 lb_affinity_victim(struct lb_affinity_key *key, __u32 tick)
{
	__u32 victim = LB_POSITION_NONE;
	__u64 longest = 0;

	if (!key)
		return victim;
	for (__u32 i = 0; i < LB_AFFINITY_CANDIDATES; i++) {
		__u32 position = lb_affinity_candidate(key, i);
		struct lb_affinity *at = lb_affinity_at(position);
		__u64 word = at ? lb_load64(&at->word) : LB_AFFINITY_BUSY, idle;

		if (!at || word & LB_AFFINITY_BUSY)
			continue;
		/* One more than idle: also the candidate just seen is better than none. */
		idle = at->service ? lb_affinity_idle(word, tick) + 1ULL : 1ULL << 33;
		if (idle > longest) {
			longest = idle;
			victim = position;
			key->word = word;
		}
	}
	return victim;
}

/* Counts the displacing of a row whose client may still count on it. */
static __always_inline void lb_affinity_displace(const struct lb_affinity *at, __u64 word,
						 __u32 bank, __u32 tick)
{
	const struct lb_service *service;
	struct lb_cpu *cpu;

	if (!at->service)
		return;
	service = host_region(LB_REGION_SERVICES,
			      bank * host_config()->max_services + at->service - 1);
	if (!service || lb_affinity_is_over(word, tick, service->persist))
		return;
	cpu = host_region(LB_REGION_CPUS, host_slot());
	if (cpu)
		cpu->conn_event[LB_CONN_AFFINITY_EVICTED]++;
}

/* Writes a row whose word is still key->word; `displaces`: it is another client's. */
static __always_inline int lb_affinity_write(__u32 position, const struct lb_affinity_key *key,
					     __u64 choice, const struct lb_flow *flow,
					     bool displaces)
{
	struct lb_affinity *at = lb_affinity_at(position);
	__u32 generation = (__u32)key->word + 2;
	__u64 busy = (__u64)(host_slot() + 1) << LB_AFFINITY_TICK_SHIFT | generation |
		     LB_AFFINITY_BUSY;

	if (!at || lb_cas64(&at->word, key->word, busy) != key->word)
		return 0;
	if (displaces)
		lb_affinity_displace(at, key->word, flow->bank, flow->tick);
	lb_store64((__u64 *)at + 1, key->address[0]);
	lb_store64((__u64 *)at + 2, key->address[1]);
	lb_store64((__u64 *)at + 3, lb_affinity_rest(key->mark, choice));
	lb_cas64(&at->word, busy, (__u64)flow->tick << LB_AFFINITY_TICK_SHIFT | generation);
	return 1;
}

/* Keeps the choice for the flow's client. Beside other writers it may be left out. */
LB_SEAM int lb_affinity_put(const struct lb_flow *flow, __u64 choice)
{
	struct lb_affinity_key key;
	__u32 position;
	bool known;

	if (!flow)
		return 0;
	key = lb_affinity_key_of(flow->service, flow->tuple.saddr);
	position = lb_affinity_search(&key);
	known = position != LB_POSITION_NONE;
	if (known && key.choice == choice)
		return lb_affinity_touch(position, key.word, flow->tick);
	if (!known)
		position = lb_affinity_victim(&key, flow->tick);
	if (position == LB_POSITION_NONE)
		return 0;
	return lb_affinity_write(position, &key, choice, flow, !known);
}

/*
 * A flow is noted once in LB_AGE_DUE ticks while it has packets: the last of those that are not
 * counts as seen already.
 */
static __always_inline int lb_affinity_refresh(struct lb_affinity_key *key, __u32 tick)
{
	__u32 position = lb_affinity_search(key);

	return position != LB_POSITION_NONE &&
	       lb_affinity_touch(position, key->word, tick + LB_AGE_DUE - 1);
}

/* A flow of the client at the service had a packet. */
LB_SEAM int lb_affinity_refresh4(__u32 service, __u32 address, __u32 tick)
{
	struct lb_affinity_key key = lb_affinity_key(service, address, 0);

	return lb_affinity_refresh(&key, tick);
}

LB_SEAM int lb_affinity_refresh6(const struct lb_conn6 *entry, __u32 tick)
{
	struct lb_affinity_key key;

	if (!entry)
		return 0;
	key = lb_affinity_key_of(entry->service, entry->client);
	return lb_affinity_refresh(&key, tick);
}

/* Frees the row at a position that a host of a cpu slot held when it died. */
static __always_inline bool lb_affinity_reap(__u32 position, __u32 slot)
{
	struct lb_affinity *at = lb_affinity_at(position);
	__u64 word = at ? lb_load64(&at->word) : 0;

	if (!(word & LB_AFFINITY_BUSY) || word >> LB_AFFINITY_TICK_SHIFT != slot + 1)
		return false;
	lb_store64((__u64 *)at + 3, 0);
	return lb_cas64(&at->word, word, (__u32)word & ~LB_AFFINITY_BUSY) == word;
}

#endif
