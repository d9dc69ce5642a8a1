/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ICMP errors about what a tunnel carries (RFC 2003, 4 and RFC 2473, 8): a router between the
 * appliance and a backend complains to the outer packet's source, which is us, while the client
 * is the one who can send less. If enough is quoted, the client gets an error of its own family:
 *
 *	| link | IP | ICMP | outer IP [UDP] | inner IP, eight bytes .. |
 *			| link | IP | ICMP | inner IP, eight bytes |
 *
 * Too big: the MTU without the outer headers; all else: the VIP can't be reached. An error counts
 * only if it quotes exactly what the appliance has sent for a flow that is known: the hash in the
 * outer header's spread parts is keyed.
 */
#ifndef LB_TUNNEL_ERROR_H
#define LB_TUNNEL_ERROR_H

#include "answer.h"
#include "quote.h"
#include "seek.h"

#define LB_ICMP_MTU_UNKNOWN 576 /* of routers older than RFC 1191 */
#define LB_INNER_OFFSET_MAX 0x3ff /* bytes of a frame before an inner packet */

/* The packet inside of a quoted one. */
struct lb_inner {
	void *at;
	__u32 offset; /* in the frame */
	__u32 family;
	__u32 flags; /* of an entry: which tunnel it is in */
	__u32 length; /* of what is quoted of it and needed: the IP header and eight bytes */
};

/* What the client is told. */
static __always_inline struct lb_error lb_inner_error(const enum lb_family family, __u8 flags,
						      __u32 mtu)
{
	const __u32 overhead = lb_tunnel_overhead(flags);

	if (mtu)
		return lb_error_too_big(family, mtu > overhead ? mtu - overhead : 0);
	return (struct lb_error){
		.type = family == LB_IPV6 ? LB_ICMP6_UNREACHABLE : LB_ICMP_UNREACHABLE,
		.code = family == LB_IPV6 ? LB_ICMP6_ADDRESS : LB_ICMP_HOST,
	};
}

/* The way to the client of a flow. */
static __always_inline enum lb_reason lb_client_way(const enum lb_family family,
						    const struct lb_flow *flow, struct lb_way *way)
{
	const struct lb_insert *conn = &flow->conn;

	way->hop = lb_reply_hop(family, &conn->entry, flow->bank, flow->routes, conn->position);
	if (!way->hop)
		return LB_REASON_NEXT_HOP_UNRESOLVED;
	way->slot = lb_hop_slot(way->hop);
	way->interface = host_region(LB_REGION_INTERFACES, way->slot);
	if (!way->interface || !way->interface->ifindex)
		return LB_REASON_INTERFACE_GONE;
	return LB_REASON_FORWARDED;
}

/* Makes of the frame an error about the inner packet at an offset, of which `quote` bytes stay. */
static __always_inline bool lb_inner_error_write(const enum lb_family family, struct lb_packet *p,
						 struct lb_flow *flow, const struct lb_way *way,
						 __u32 offset, __u32 quote, __u32 mtu)
{
	const __be16 protocol = lb_order16(family == LB_IPV6 ? ETH_P_IPV6 : ETH_P_IP);
	struct lb_error error = lb_inner_error(family, flow->conn.entry.flags, mtu);
	const __u32 link = way->interface->link & 31;
	const __s32 before = link + lb_ip_bytes(family) + sizeof(struct lb_icmp);
	struct lb_tuple *tuple = &flow->tuple;

	offset &= LB_INNER_OFFSET_MAX;
	if (!host_packet_trim(p, offset + quote) ||
	    !host_packet_grow_head(p, before - (__s32)offset) || !lb_link_write(p, way, protocol))
		return false;
	lb_answer_source(family, way->interface, tuple);
	return lb_error_write(family, p, link, tuple->daddr, tuple->saddr, &error, quote);
}

static __always_inline enum lb_reason lb_inner_error_send(const enum lb_family family,
							  struct lb_packet *p, struct lb_flow *flow,
							  __u32 offset, __u32 quote, __u32 mtu)
{
	const __u32 length = lb_ip_bytes(family) + sizeof(struct lb_icmp) + quote;
	const struct lb_conn *conn = &flow->conn.entry;
	struct lb_way way = {};
	enum lb_reason reason;

	reason = lb_client_way(family, flow, &way);
	if (reason != LB_REASON_FORWARDED)
		return reason;
	if (!lb_inner_error_write(family, p, flow, &way, offset, quote, mtu))
		return LB_REASON_INTERNAL;
	if (!host_transmit(p, way.slot, way.interface->ifindex))
		return LB_REASON_INTERFACE_GONE;
	lb_traffic_add(lb_traffic_of_service(conn->service), LB_DIRECTION_REVERSE, length, false);
	lb_traffic_add(lb_traffic_of_backend(conn->backend_id), LB_DIRECTION_REVERSE, length,
		       false);
	return LB_REASON_FORWARDED;
}

/*
 * Tells the client of a flow about its packet, which is at an offset of the frame: that only `mtu`
 * bytes fit around it or, if that is 0, that its VIP can't be reached. The result is
 * enum lb_verdict << 8 | enum lb_reason.
 */
LB_SEAM __u32 lb_inner_error_frame(lb_frame *frame, struct lb_flow *flow, __u32 offset, __u32 quote,
				   __u32 mtu)
{
	struct lb_packet p = host_open(frame);
	enum lb_reason reason = LB_REASON_INTERNAL;

	host_pass(&p);
	if (flow && quote <= LB_QUOTE_MAX) {
		if (flow->conn.family == LB_IPV6)
			reason = lb_inner_error_send(LB_IPV6, &p, flow, offset, quote, mtu);
		else
			reason = lb_inner_error_send(LB_IPV4, &p, flow, offset, quote, mtu);
	}
	host_close(frame, &p);
	return p.verdict << 8 | reason;
}

/* The packet in a quoted one, by that one's protocol; false: it is of no tunnel of ours. */
static __always_inline bool lb_inner_of_quote(const enum lb_family family,
					      const struct lb_packet *p,
					      const struct lb_quote *quote, struct lb_inner *inner)
{
	const __u8 *first;

	inner->at = quote->ports;
	inner->offset += quote->header;
	inner->flags = family == LB_IPV6 ? LB_CONN_BACKEND_IPV6 : 0;
	if (quote->protocol == IPPROTO_UDP) {
		inner->flags |= LB_CONN_GUE;
		inner->at += sizeof(struct udphdr);
		inner->offset += sizeof(struct udphdr);
	} else if (quote->protocol == IPPROTO_IPIP || quote->protocol == IPPROTO_IPV6) {
		inner->flags |= LB_CONN_IPIP;
	} else {
		return false;
	}
	first = inner->at;
	if ((void *)(first + 1) > p->data_end || inner->offset > LB_INNER_OFFSET_MAX)
		return false;
	inner->family = *first >> 4 == 6 ? LB_IPV6 : LB_IPV4;
	return (inner->flags & LB_CONN_GUE) ||
	       quote->protocol == (inner->family == LB_IPV6 ? IPPROTO_IPV6 : IPPROTO_IPIP);
}

/* Finds the flow of the inner packet: FORWARDED, or why not; `reason` if there is no packet. */
static __always_inline enum lb_reason lb_inner_find(const enum lb_family family,
						    const struct lb_packet *p, struct lb_passage *x,
						    struct lb_inner *inner, enum lb_reason reason)
{
	struct lb_quote quote;

	if (!lb_quote_parse(family, p, inner->at, &quote) ||
	    (quote.protocol != IPPROTO_TCP && quote.protocol != IPPROTO_UDP))
		return reason;
	inner->length = quote.header + LB_ICMP_QUOTE;
	lb_quote_tuple(family, &quote, &x->flow->tuple);
	if (lb_flow_seek(family, x, &reason))
		return LB_REASON_FORWARDED;
	return reason == LB_REASON_NOT_SERVICE ? reason : LB_REASON_ICMP_UNRELATED;
}

/* The bits in which an outer packet's source is not what a flow's packets have. */
static __always_inline __u32 lb_outer_source_differs(const enum lb_family family,
						     const __u32 *source,
						     const struct lb_backend *backend, __u32 spread)
{
	const volatile struct lb_config *config = host_config();
	__u32 differs = 0;

	if (family == LB_IPV4) {
		if (config->tunnel_source4)
			return source[0] ^
			       (config->tunnel_source4 | (spread & config->tunnel_spread4));
		return source[0] ^ backend->source[0];
	}
	if (config->tunnel_source6[0]) {
		for (int i = 0; i < 3; i++)
			differs |= source[i] ^ config->tunnel_source6[i];
		return differs | (source[3] ^
				  (config->tunnel_source6[3] | (spread & config->tunnel_spread6)));
	}
	for (int i = 0; i < 4; i++)
		differs |= source[i] ^ backend->source[i];
	return differs;
}

/* True if a quoted packet is what carries a flow's packets to its backend. */
static __always_inline bool lb_outer_is_flows(const enum lb_family family,
					      const struct lb_packet *p, struct lb_quote *quote,
					      const struct lb_conn *conn, __u32 flags, __u16 mark)
{
	const __u8 tunnel = LB_CONN_IPIP | LB_CONN_GUE | LB_CONN_BACKEND_IPV6;

	const struct lb_backend *backend;

	if (!(conn->flags & LB_CONN_ONE_SIDED) || (conn->flags & tunnel) != flags)
		return false;
	backend = host_region(LB_REGION_BACKENDS, conn->backend_id);
	if (!backend || quote->ip + lb_ip_bytes(family) > p->data_end ||
	    (void *)(quote->ports + LB_ICMP_QUOTE / 2) > p->data_end)
		return false;
	if (flags & LB_CONN_GUE &&
	    (quote->ports[1] != conn->source_port || quote->ports[0] != lb_gue_source(mark)))
		return false;
	return lb_address_equal(family, lb_ip_dest(family, quote->ip), backend->address) &&
	       !lb_outer_source_differs(family, lb_ip_source(family, quote->ip), backend,
					lb_tunnel_spread(mark));
}

/* The MTU that an error tells; 0: it is about something else. */
static __always_inline __u32 lb_icmp_mtu(const enum lb_family family, const struct lb_icmp *icmp)
{
	if (family == LB_IPV6)
		return icmp->type == LB_ICMP6_TOO_BIG ? lb_order32(*(const __be32 *)&icmp->unused) :
							0;
	if (icmp->type != LB_ICMP_UNREACHABLE || icmp->code != LB_ICMP_TOO_BIG)
		return 0;
	return icmp->mtu ? lb_order16(icmp->mtu) : LB_ICMP_MTU_UNKNOWN;
}

/*
 * Finds the flow of an error whose quote is of none: it may be about a tunnel's packet. FORWARDED,
 * or why not; `reason` if it is of no tunnel. Nobody quenches sources any more (RFC 6633).
 */
static __always_inline enum lb_reason lb_tunnel_error_find(
	const enum lb_family family, const struct lb_packet *p, struct lb_passage *x,
	struct lb_quote *quote, struct lb_inner *inner, enum lb_reason reason)
{
	const struct lb_icmp *icmp = x->view.transport;

	inner->offset = lb_link_bytes(&x->view.link) + x->view.header + sizeof(*icmp);
	if ((family == LB_IPV4 && icmp->type == LB_ICMP_SOURCE_QUENCH) ||
	    !lb_inner_of_quote(family, p, quote, inner))
		return reason;
	reason = inner->family == LB_IPV6 ? lb_inner_find(LB_IPV6, p, x, inner, reason) :
					    lb_inner_find(LB_IPV4, p, x, inner, reason);
	if (reason != LB_REASON_FORWARDED)
		return reason;
	return lb_outer_is_flows(family, p, quote, &x->flow->conn.entry, inner->flags,
				 lb_tunnel_mark(x->found.position)) ?
		       LB_REASON_FORWARDED :
		       LB_REASON_ICMP_UNRELATED;
}

static __always_inline enum lb_reason lb_tunnel_error_send(const enum lb_family family,
							   struct lb_packet *p,
							   struct lb_passage *x,
							   struct lb_quote *quote,
							   enum lb_reason reason)
{
	const __u32 mtu = lb_icmp_mtu(family, x->view.transport);
	struct lb_inner inner = {};
	__u32 result;

	reason = lb_tunnel_error_find(family, p, x, quote, &inner, reason);
	if (reason != LB_REASON_FORWARDED)
		return reason;
	result = lb_inner_error_frame(host_frame(p), x->flow, inner.offset, inner.length, mtu);
	p->verdict = result >> 8 & 0xff;
	return result & 0xff;
}

#endif
