/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a word of conn_forward says about its flow: states, ages, timeouts. Pure functions.
 *
 *	UDP	NEW -> ESTABLISHED by the first reply
 *	TCP	NEW -> ANSWERED by the backend's (SYN+)ACK -> ESTABLISHED by the client's ACK
 *		-> FIN_CLIENT or FIN_BACKEND by one FIN -> CLOSED by the other's
 *		RST: a handshake is CLOSED, a connection RESET
 *
 * With direct return only the client is seen (LB_CONN_ONE_SIDED):
 *
 *	UDP	NEW -> ANSWERED by the second packet -> ESTABLISHED by the third
 *	TCP	NEW -> ESTABLISHED by the client's first ACK without SYN -> FIN_CLIENT by its FIN
 *		RST: as above
 *		SYN: FIN_CLIENT and RESET -> ESTABLISHED, at the same backend
 *
 * Whether a backend has closed, too, can't be told then: a flow rests in FIN_CLIENT, which the
 * client's ACKs of what still comes keep alive, and a SYN goes on with the same backend. If that
 * was spoofed, nothing has moved, and the flow is as confirmed as it was.
 *
 * Only the ends can tell whether an RST is inside the window, so it shortens the timeout and
 * nothing else: packets of a RESET or CLOSED flow are forwarded, and a RESET flow is ESTABLISHED
 * again by the next plain packet (a real RST's receiver answers that one with another RST). A
 * handshake can't come back this way, else three spoofed packets would make a confirmed flow.
 * A SYN of the client opens another flow only in place of a CLOSED one; it reaches the same
 * backend in all other states, and it changes nothing of a two-sided flow there: it may be
 * spoofed.
 *
 * Flows are confirmed from ESTABLISHED to FIN_*: never evicted while they live.
 */
#ifndef LB_CONN_STATE_H
#define LB_CONN_STATE_H

#include "flow.h"
#include "host.h"
#include "index.h"

#define LB_TCP_FIN 1U
#define LB_TCP_SYN 2U
#define LB_TCP_RST 4U
#define LB_TCP_ACK 16U

/* An age is rewritten when it is this many ticks old. */
#define LB_AGE_DUE 4

/*
 * Ages wrap at 2^16 ticks. Timeouts end well before, so that the sweep has an hour to find an
 * expired flow; the last few ages are those of CPUs whose tick is ahead.
 */
#define LB_TIMEOUT_MAX (240U << 8)
#define LB_AGE_AHEAD 0xff80U

/* A timeout in 12 bits: 4 of exponent, 8 of mantissa; rounded up. */
static __always_inline __u16 lb_timeout_encode(__u32 ticks)
{
	__u32 exponent = 0;

	if (ticks > LB_TIMEOUT_MAX)
		ticks = LB_TIMEOUT_MAX;
	for (; exponent < 8 && ticks > 255; exponent++)
		ticks = (ticks + 1) >> 1;
	return exponent << 8 | ticks;
}

static __always_inline __u32 lb_timeout_decode(__u16 code)
{
	return (code & 0xffU) << (code >> 8 & 15);
}

static __always_inline enum lb_conn_state lb_word_state(__u64 word)
{
	return word & LB_FORWARD_STATE;
}

static __always_inline bool lb_word_is_live(__u64 word)
{
	return (word & LB_FORWARD_STATE) >= LB_CONN_NEW;
}

/* Ticks since the flow was last seen, within LB_AGE_DUE. */
static __always_inline __u32 lb_word_idle(__u64 word, __u32 tick)
{
	__u32 idle = (tick - (__u32)(word >> LB_FORWARD_AGE_SHIFT)) & 0xffff;

	return idle >= LB_AGE_AHEAD ? 0 : idle;
}

static __always_inline __u32 lb_word_timeout(__u64 word)
{
	return lb_timeout_decode(word >> LB_FORWARD_TIMEOUT_SHIFT & 0xfff);
}

static __always_inline bool lb_word_is_expired(__u64 word, __u32 tick)
{
	return lb_word_idle(word, tick) > lb_word_timeout(word);
}

/* True if a SYN of the client may start another flow in place of this one. */
static __always_inline bool lb_conn_reusable(__u64 word)
{
	return lb_word_state(word) == LB_CONN_CLOSED;
}

/* The state of a flow that was confirmed or not, after an RST. */
static __always_inline enum lb_conn_state lb_state_reset(enum lb_conn_state state)
{
	if (state == LB_CONN_NEW || state == LB_CONN_ANSWERED)
		return LB_CONN_CLOSED;
	return state == LB_CONN_CLOSED ? state : LB_CONN_RESET;
}

/* The state after a packet; tcp_flags of UDP are 0. */
static __always_inline enum lb_conn_state lb_conn_next_state(enum lb_conn_state state,
							     enum lb_direction direction,
							     __u8 protocol, __u8 tcp_flags)
{
	bool reply = direction == LB_DIRECTION_REVERSE;
	bool syn = tcp_flags & LB_TCP_SYN, ack = tcp_flags & LB_TCP_ACK;
	bool fin = tcp_flags & LB_TCP_FIN;

	if (protocol != LB_PROTOCOL_TCP)
		return state == LB_CONN_NEW && reply ? LB_CONN_ESTABLISHED : state;
	if (tcp_flags & LB_TCP_RST)
		return lb_state_reset(state);
	if (reply && ack && (state == LB_CONN_NEW || (state == LB_CONN_RESET && syn)))
		return LB_CONN_ANSWERED;
	if (syn)
		return state;
	switch (state) {
	case LB_CONN_ANSWERED:
		if (reply || !ack)
			return state;
		return fin ? LB_CONN_FIN_CLIENT : LB_CONN_ESTABLISHED;
	case LB_CONN_ESTABLISHED:
		if (!fin)
			return state;
		return reply ? LB_CONN_FIN_BACKEND : LB_CONN_FIN_CLIENT;
	case LB_CONN_FIN_CLIENT:
		return fin && reply ? LB_CONN_CLOSED : state;
	case LB_CONN_FIN_BACKEND:
		return fin && !reply ? LB_CONN_CLOSED : state;
	case LB_CONN_RESET:
		return ack && !fin ? LB_CONN_ESTABLISHED : state;
	default:
		return state;
	}
}

/* The same of a one-sided flow: all its packets are the client's. */
static __always_inline enum lb_conn_state lb_conn_next_state_one_sided(enum lb_conn_state state,
								       __u8 protocol,
								       __u8 tcp_flags)
{
	bool syn = tcp_flags & LB_TCP_SYN, ack = tcp_flags & LB_TCP_ACK;
	bool fin = tcp_flags & LB_TCP_FIN;

	if (protocol != LB_PROTOCOL_TCP) {
		if (state == LB_CONN_NEW)
			return LB_CONN_ANSWERED;
		return state == LB_CONN_ANSWERED ? LB_CONN_ESTABLISHED : state;
	}
	if (tcp_flags & LB_TCP_RST)
		return lb_state_reset(state);
	switch (state) {
	case LB_CONN_NEW:
		if (syn || !ack)
			return state;
		return fin ? LB_CONN_FIN_CLIENT : LB_CONN_ESTABLISHED;
	case LB_CONN_ESTABLISHED:
		return fin && !syn ? LB_CONN_FIN_CLIENT : state;
	case LB_CONN_FIN_CLIENT:
		return syn && !ack ? LB_CONN_ESTABLISHED : state;
	case LB_CONN_RESET:
		return syn != ack && !fin ? LB_CONN_ESTABLISHED : state;
	default:
		return state;
	}
}

/* The encoded timeout of a state; idle is the service's for established flows. */
static __always_inline __u16 lb_conn_timeout(enum lb_conn_state state, __u8 protocol, __u16 idle)
{
	switch (state) {
	case LB_CONN_NEW:
	case LB_CONN_ANSWERED:
		return protocol == LB_PROTOCOL_TCP ? LB_TIMEOUT_NEW_TCP : LB_TIMEOUT_NEW_UDP;
	case LB_CONN_FIN_CLIENT:
	case LB_CONN_FIN_BACKEND:
		return LB_TIMEOUT_FIN;
	case LB_CONN_CLOSED:
		return LB_TIMEOUT_CLOSED;
	case LB_CONN_RESET:
		return LB_TIMEOUT_RESET;
	default:
		return idle;
	}
}

_Static_assert(LB_TIMEOUT_FIN < 256 && LB_TIMEOUT_CLOSED < 256 && LB_TIMEOUT_NEW_UDP < 256,
	       "these timeouts are their own codes");
_Static_assert(LB_TIMEOUT_RESET > LB_AGE_DUE, "traffic keeps a RESET flow");

/* A live word with another state and age. */
static __always_inline __u64 lb_word_with(__u64 word, enum lb_conn_state state, __u16 timeout,
					  __u32 tick)
{
	return (word >> LB_FORWARD_GENERATION_SHIFT << LB_FORWARD_GENERATION_SHIFT) |
	       (__u64)(tick & 0xffff) << LB_FORWARD_AGE_SHIFT |
	       (__u64)(timeout & 0xfff) << LB_FORWARD_TIMEOUT_SHIFT | state;
}

#endif
