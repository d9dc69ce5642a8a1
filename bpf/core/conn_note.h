/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a packet does to its flow: state and age, in the F word, and the R word's age. */
#ifndef LB_CONN_NOTE_H
#define LB_CONN_NOTE_H

#include "affinity.h"
#include "conn.h"

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

/* Of a packet, and of its flow's entry: what the flow needs to know. */
#define LB_EVENT(direction, entry_flags, protocol, tcp_flags)                     \
	((__u32)(direction) | (__u32)(protocol) << 8 | (__u32)(tcp_flags) << 16 | \
	 (__u32)(entry_flags) << 24)
#define LB_EVENT_FLAGS_SHIFT 24

/* The F word after a packet, or the same word if nothing is due. */
LB_SEAM __u64 lb_word_advance(__u64 word, __u32 position, __u32 event, __u32 tick)
{
	enum lb_conn_state state = lb_word_state(word), next;
	__u8 protocol = event >> 8, tcp_flags = event >> 16;
	__u16 timeout = word >> LB_FORWARD_TIMEOUT_SHIFT & 0xfff;
	const struct lb_conn_common *entry;
	__u16 idle = LB_TIMEOUT_FIN;

	if (event >> LB_EVENT_FLAGS_SHIFT & LB_CONN_ONE_SIDED)
		next = lb_conn_next_state_one_sided(state, protocol, tcp_flags);
	else
		next = lb_conn_next_state(state, event & 1, protocol, tcp_flags);
	if (next == state && lb_word_idle(word, tick) < LB_AGE_DUE)
		return word;
	/* Trying again and again must not keep a dead backend's flow alive. */
	if (next == state && tcp_flags & LB_TCP_SYN)
		return word;
	if (next != state) {
		entry = lb_common_at(position);
		if (entry && next == LB_CONN_ESTABLISHED)
			idle = lb_service_idle(*(const volatile __u16 *)&entry->service);
		timeout = lb_conn_timeout(next, protocol, idle);
	}
	return lb_word_with(word, next, timeout, tick);
}

/* An entry's client still has connections: so it keeps its backend. */
static __always_inline void lb_affinity_note(__u32 position, __u32 tick)
{
	const struct lb_conn4 *entry4;
	const struct lb_conn6 *entry6;

	if (lb_position_family(position) == LB_IPV4) {
		entry4 = lb_entry_at(LB_IPV4, position);
		if (entry4)
			lb_affinity_refresh4(entry4->service, entry4->client, tick);
		return;
	}
	entry6 = lb_entry_at(LB_IPV6, position);
	if (entry6)
		lb_affinity_refresh6(entry6, tick);
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
		if (old == owner) {
			/* Should the flow have ended since, it is another living one's client. */
			if (next != owner && event >> LB_EVENT_FLAGS_SHIFT & LB_CONN_AFFINE)
				lb_affinity_note(position, tick);
			break;
		}
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
 * the R word's own age, which starts as due, so that the first reply is always noted. UDP that is
 * one-sided is confirmed by counting packets, so each of the first is noted, too.
 */
static __always_inline void lb_conn_seen(const struct lb_found *found, enum lb_direction direction,
					 __u8 entry_flags, __u8 protocol, __u8 tcp_flags,
					 __u32 tick)
{
	const __u8 turns = LB_TCP_SYN | LB_TCP_FIN | LB_TCP_RST;
	bool due;

	if (direction == LB_DIRECTION_FORWARD) {
		due = ((tick - (__u32)(found->word >> LB_FORWARD_AGE_SHIFT)) & 0xffff) >=
		      LB_AGE_DUE;
		due |= lb_word_state(found->word) != LB_CONN_ESTABLISHED &&
		       (protocol == LB_PROTOCOL_TCP || entry_flags & LB_CONN_ONE_SIDED);
	} else {
		due = ((tick - (__u32)(found->word >> LB_REVERSE_AGE_SHIFT)) & 0xfff) >= LB_AGE_DUE;
	}
	if (due || tcp_flags & turns)
		lb_conn_note(found->position, found->word, found->reverse,
			     LB_EVENT(direction, entry_flags, protocol, tcp_flags), tick);
}

#endif
