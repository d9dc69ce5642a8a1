/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the core's parts hand to each other about a packet's flow: plain data, which may cross a
 * seam.
 *
 * One definition serves both families: a function takes a constant enum lb_family and is inlined,
 * so that each caller has a version of its own. Addresses have four words; of an IPv4 one the
 * first is used and the rest is 0.
 */
#ifndef LB_FLOW_H
#define LB_FLOW_H

#include "host.h"

enum lb_family {
	LB_IPV4,
	LB_IPV6,
};

#define LB_PROTOCOL_ICMP 1
#define LB_PROTOCOL_TCP 6
#define LB_PROTOCOL_UDP 17
#define LB_PROTOCOL_ICMP6 58

/* One direction of a flow, as on the wire. */
struct lb_tuple {
	__u32 saddr[4];
	__u32 daddr[4];
	__be16 sport;
	__be16 dport;
	__u32 protocol;
};

/* An entry as the core works with it, whatever its family: IPv6's form. */
#define lb_conn lb_conn6

struct lb_hash {
	__u32 line[2]; /* of conn_forward and conn_reverse, in the family's part */
	__u16 tag; /* not 0 */
	__u16 home; /* the word of a line that it is in if it can be */
};

struct lb_found {
	__u64 word; /* F or R word, by direction */
	__u32 position; /* of F word and entry */
	__u32 reverse; /* of the R word, if that was looked up */
};

enum lb_insert_result {
	LB_INSERT_DONE,
	LB_INSERT_EXISTS, /* the flow is there already: entry, word and position are its */
	LB_INSERT_FULL,
	LB_INSERT_CONTENDED, /* gave up beside other inserters */
	LB_INSERT_REVERSE_TAKEN, /* another flow has the reverse key: try another source port */
};

/* A connection to make. The entry is at `position` afterwards. */
struct lb_insert {
	struct lb_conn entry;
	struct lb_hash forward;
	struct lb_hash reverse;
	__u32 family; /* enum lb_family */
	__u32 state; /* enum lb_conn_state to start with */
	__u32 idle; /* of the service, encoded */
	__u32 tick;
	__u32 position; /* out */
	__u32 counted; /* in its backend's load: else the insert does that, and says so here */
	__u64 word; /* out: the F word */
	struct lb_tuple key; /* what is looked for beside the claimed word: the insert's own */
};

struct lb_flow {
	struct lb_tuple tuple; /* of the packet, if the flow is to be made */
	struct lb_tuple reply; /* of the flow's replies, while it is made */
	__u32 bank;
	struct lb_insert conn; /* conn.forward: its hash; conn.entry: what is remembered of it */
	__u64 came_from; /* hop word back to the client's side */
	__u32 routes; /* their generation */
	__u32 tick;
	__u32 wild; /* some service or backend has more than one port: see lb_filter_test() */
	__u32 tcp_flags;
	__u32 service; /* out, if known */
	__u32 service_flags; /* out */
	__u32 known; /* out: the service is */
	__u32 opened; /* out: nobody else made the connection meanwhile */
};

static __always_inline bool lb_address_equal(const enum lb_family family, const __u32 *address,
					     const __u32 *other)
{
	__u32 differs = address[0] ^ other[0];

	if (family == LB_IPV6)
		differs |= (address[1] ^ other[1]) | (address[2] ^ other[2]) |
			   (address[3] ^ other[3]);
	return !differs;
}

static __always_inline void lb_address_copy(const enum lb_family family, __u32 *to,
					    const __u32 *from)
{
	to[0] = from[0];
	to[1] = family == LB_IPV6 ? from[1] : 0;
	to[2] = family == LB_IPV6 ? from[2] : 0;
	to[3] = family == LB_IPV6 ? from[3] : 0;
}

#endif
