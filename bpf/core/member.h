/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From a service to one of its backends. A choice (affinity.h) is a backend and the number of the
 * member that it is.
 */
#ifndef LB_MEMBER_H
#define LB_MEMBER_H

#include "affinity.h"
#include "conn_line.h"
#include "flow.h"
#include "load.h"

static __always_inline __u64 lb_choice(__u32 backend, __u32 number)
{
	return (__u64)backend << LB_CHOICE_BACKEND_SHIFT | number;
}

/* What becomes of flows of a service that has no backend for them. */
static __always_inline enum lb_reason lb_service_without(const struct lb_service *service)
{
	return service->flags & LB_SERVICE_NO_BACKEND_PASS ? LB_REASON_NO_BACKEND_PASS :
							     LB_REASON_NO_BACKEND;
}

/*
 * The selection hash: 32 bits, keyed by the secret that appliances of one cluster share, so that
 * they pick the same slot. Of a client that keeps its backend all flows to a VIP have the same.
 */
static __always_inline __u32 lb_select_hash(const enum lb_family family,
					    const struct lb_tuple *tuple, bool persists)
{
	const int words = family == LB_IPV6 ? 4 : 1;
	const volatile __u64 *key = host_config()->select_key;
	__u64 sum = key[0];

#pragma GCC unroll 4
	for (int i = 0; i < words; i++) {
		sum += key[1 + i] * tuple->saddr[i];
		sum += key[1 + words + i] * tuple->daddr[i];
	}
	if (!persists) {
		sum += key[1 + 2 * words] * ((__u32)tuple->sport << 16 | tuple->dport);
		sum += key[2 + 2 * words] * tuple->protocol;
	}
	return lb_sum_finish(sum);
}

/* The number of the member in a slot of the service's table, or -1. */
static __always_inline int lb_member_slotted(const enum lb_family family,
					     const struct lb_flow *flow,
					     const struct lb_service *service)
{
	__u64 *cursor, *word;
	__u32 slot;

	if (service->flags & LB_SERVICE_ROUND_ROBIN) {
		cursor = host_region(LB_REGION_CURSORS, flow->service);
		if (!cursor || !service->slot_count)
			return -1;
		slot = lb_fetch_add64(cursor, 1) % service->slot_count;
	} else {
		slot = lb_index_reduce(lb_select_hash(family, &flow->tuple, service->persist),
				       service->slot_count);
	}
	word = host_region(LB_REGION_SLOTS, service->slot_word + slot / LB_SLOTS_PER_WORD);
	return word ? (int)(*word >> slot % LB_SLOTS_PER_WORD * 16 & 0xffff) : -1;
}

#define LB_MEMBERS_FULL (-2)

/*
 * The number of the member that has the fewest connections for its weight, of those with a
 * weight and below their limit; the first of equals. LB_MEMBERS_FULL: all are at their limit; -1:
 * none has a weight. Without branches on what is read, so that the verifier sees one way through.
 */
LB_SEAM int lb_member_least(__u32 first, __u32 count)
{
	/* More than any: of weight 0. */
	__u64 best = 0, best_load = 1, best_weight = 0, weights = 0;

	for (__u32 i = 0; i < LB_MAX_LEAST_MEMBERS && i < count; i++) {
		const struct lb_member *member = host_region(LB_REGION_MEMBERS, first + i);
		__u64 weight, full, better, load;
		const __u64 *loads;

		if (!member)
			return -1;
		loads = host_region(LB_REGION_LOADS, member->backend);
		if (!loads)
			return -1;
		load = (__u32)lb_load64(loads);
		full = lb_is_less(0, member->limit) & lb_is_less(member->limit, load + 1);
		weights |= member->weight;
		weight = member->weight * (1 ^ full);
		better = lb_is_less(load * best_weight, best_load * weight);
		best += (i - best) * better;
		best_load += (load - best_load) * better;
		best_weight += (weight - best_weight) * better;
	}
	if (best_weight)
		return best;
	return weights ? LB_MEMBERS_FULL : -1;
}

/* The choice of the member at a place in the arena, if it takes a connection: counts it. */
LB_SEAM __u64 lb_member_ask(__u32 place, __u32 number)
{
	const struct lb_member *member = host_region(LB_REGION_MEMBERS, place);

	if (!member || !member->weight || !lb_load_take(member->backend, member->limit))
		return LB_CHOICE_NONE;
	return lb_choice(member->backend, number);
}

/*
 * The choice of a member, or of the next one behind it that takes the connection;
 * LB_CHOICE_NONE: all are full.
 */
LB_SEAM __u64 lb_member_take(__u32 first, __u32 count, __u32 number)
{
	__u64 choice = LB_CHOICE_NONE;

	for (__u32 i = 0; i < LB_MAX_LEAST_MEMBERS; i++) {
		choice = lb_member_ask(first + number, number);
		if (choice != LB_CHOICE_NONE || i + 1 >= count)
			break;
		number = (number + 1) * lb_is_less(number + 1, count);
	}
	return choice;
}

#define LB_MEMBER_CHUNK 256

/* The number of the member that is a backend, among a chunk of them; -1: none is. */
LB_SEAM int lb_member_search(__u32 first, __u32 count, __u32 start, __u32 backend)
{
	for (__u32 i = 0; i < LB_MEMBER_CHUNK; i++) {
		__u32 number = start + i;
		const struct lb_member *member;

		if (number >= count)
			break;
		member = host_region(LB_REGION_MEMBERS, first + number);
		if (member && member->backend == backend)
			return number;
	}
	return -1;
}

/* The same of all members; the number that it had is tried first. */
LB_SEAM int lb_member_of(__u32 first, __u32 count, __u64 choice)
{
	__u32 backend = choice >> LB_CHOICE_BACKEND_SHIFT, number = (__u32)choice;
	const struct lb_member *member = host_region(LB_REGION_MEMBERS, first + number);

	if (number < count && member && member->backend == backend)
		return number;
	for (__u32 i = 0; i < 0x10000 / LB_MEMBER_CHUNK; i++) {
		int found;

		if (i * LB_MEMBER_CHUNK >= count)
			break;
		found = lb_member_search(first, count, i * LB_MEMBER_CHUNK, backend);
		if (found >= 0)
			return found;
	}
	return -1;
}

/* The choice that a client has, if its backend is still a member and takes the connection. */
LB_SEAM __u64 lb_member_keep(__u32 first, __u32 count, __u64 choice)
{
	int number = choice == LB_CHOICE_NONE ? -1 : lb_member_of(first, count, choice);

	return number < 0 ? LB_CHOICE_NONE : lb_member_ask(first + number, number);
}

/*
 * The choice of a member where nobody asks for loads: the insert counts the connection, where that
 * costs least.
 */
static __always_inline __u64 lb_member_plain(__u32 first, __u32 number)
{
	const struct lb_member *member = host_region(LB_REGION_MEMBERS, first + number);

	return member && member->weight ? lb_choice(member->backend, number) : LB_CHOICE_NONE;
}

/* The choice for a flow; or LB_CHOICE_NONE, and *reason says why there is none. */
static __always_inline __u64 lb_member_choose(const enum lb_family family, struct lb_flow *flow,
					      const struct lb_service *service,
					      enum lb_reason *reason)
{
	__u32 first = service->member_first, count = service->member_count;
	__u64 choice;
	int number;

	flow->conn.counted = 1;
	if (service->persist) {
		choice = lb_member_keep(first, count, lb_affinity_find(flow, service->persist));
		if (choice != LB_CHOICE_NONE)
			return choice;
	}
	*reason = LB_REASON_INTERNAL;
	if (service->flags & LB_SERVICE_LEAST) {
		number = lb_member_least(first, count);
		if (number < 0)
			*reason = number == LB_MEMBERS_FULL ? LB_REASON_BACKENDS_FULL :
							      lb_service_without(service);
	} else {
		number = lb_member_slotted(family, flow, service);
	}
	if (number < 0)
		return LB_CHOICE_NONE;
	if (service->flags & LB_SERVICE_LIMITED)
		*reason = LB_REASON_BACKENDS_FULL;
	if (!(service->flags & (LB_SERVICE_LEAST | LB_SERVICE_LIMITED))) {
		choice = lb_member_plain(first, number);
		flow->conn.counted = choice == LB_CHOICE_NONE;
		if (choice != LB_CHOICE_NONE)
			return choice;
	}
	return lb_member_take(first, count, number);
}

#endif
