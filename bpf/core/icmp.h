/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ICMP (RFC 792, RFC 4443): echo requests for a VIP are answered; an error about a packet of a
 * known flow reaches the other end translated, outside and inside, as if that end's own packet
 * had caused it. The quoted packet went the other way, so its tuple turned around finds the flow.
 *
 * With direct return the backend's packets don't pass here, but what is said about them does, as
 * their source is the VIP: such an error goes to the flow's backend as the client's packets do,
 * untouched. (A way with a smaller MTU is found like this.) Errors about tunnels' own packets have
 * a file of their own (tunnel_error.h).
 */
#ifndef LB_ICMP_H
#define LB_ICMP_H

#include "admit.h"
#include "answer.h"
#include "discovery.h"
#include "nat.h"
#include "passage.h"
#include "quote.h"
#include "tunnel_error.h"

#define LB_ICMP_ECHO_REPLY 0
#define LB_ICMP_ECHO 8
#define LB_ICMP6_ECHO 128
#define LB_ICMP6_ECHO_REPLY 129

static __always_inline bool lb_icmp_is_error(const enum lb_family family, __u8 type)
{
	if (family == LB_IPV6)
		return type >= LB_ICMP6_UNREACHABLE && type <= LB_ICMP6_PARAMETER_PROBLEM;
	return type == LB_ICMP_UNREACHABLE || type == LB_ICMP_TIME_EXCEEDED ||
	       type == LB_ICMP_PARAMETER_PROBLEM || type == LB_ICMP_SOURCE_QUENCH;
}

/* The quoted packet's other name: as the end that the error goes to knows it. */
static __always_inline void lb_quote_name(const enum lb_family family, const struct lb_conn *conn,
					  enum lb_direction direction, struct lb_tuple *name)
{
	const bool forward = direction == LB_DIRECTION_FORWARD;

	lb_address_copy(family, name->saddr, forward ? conn->backend : conn->client);
	lb_address_copy(family, name->daddr, forward ? conn->source : conn->vip);
	name->sport = forward ? conn->backend_port : conn->client_port;
	name->dport = forward ? conn->source_port : conn->vip_port;
}

/* A router keeps its name, so that traceroute works; an end gets its other one. */
static __always_inline void lb_error_ends_rewrite(const enum lb_family family, void *packet,
						  const struct lb_conn *conn,
						  enum lb_direction direction, __u64 *sum)
{
	__u32 *source = lb_ip_source(family, packet), *dest = lb_ip_dest(family, packet);

	if (direction == LB_DIRECTION_FORWARD) {
		if (conn->flags & LB_CONN_SOURCE_TRANSLATED)
			lb_patch_address(family, source, conn->source, sum);
		lb_patch_address(family, dest, conn->backend, sum);
	} else {
		if (lb_address_equal(family, source, conn->backend))
			lb_patch_address(family, source, conn->vip, sum);
		lb_patch_address(family, dest, conn->client, sum);
	}
}

/* Outside and inside of an error about a flow, whose tuple is overwritten. */
static __always_inline void lb_error_rewrite(const enum lb_family family, const struct lb_packet *p,
					     struct lb_view *view, struct lb_quote *quote,
					     struct lb_flow *flow, enum lb_direction direction)
{
	struct lb_icmp *icmp = view->transport;
	struct iphdr *ip4 = view->ip;
	__u64 outside = 0, inside = 0;

	/* Parsed before: asked again for the verifier. */
	if (view->ip + lb_ip_bytes(family) > p->data_end || (void *)(icmp + 1) > p->data_end)
		return;
	lb_error_ends_rewrite(family, view->ip, &flow->conn.entry, direction, &outside);
	lb_quote_name(family, &flow->conn.entry, direction, &flow->tuple);
	lb_quote_rewrite(family, p, quote, &flow->tuple, &inside);
	/* ICMPv6 has both addresses in its checksum. */
	if (family == LB_IPV6)
		inside += outside;
	else
		ip4->check = lb_checksum_apply(ip4->check, lb_sum_fold(outside));
	icmp->checksum = lb_checksum_apply(icmp->checksum, lb_sum_fold(inside));
	lb_ttl_decrement(family, view->ip);
}

static __always_inline enum lb_reason lb_icmp_error_send(const enum lb_family family,
							 struct lb_packet *p, struct lb_passage *x)
{
	struct lb_icmp *icmp = x->view.transport;
	struct lb_flow *flow = x->flow;
	struct lb_way way = {};
	struct lb_quote quote;
	enum lb_reason reason;

	/* An error goes to the source of what it quotes. */
	if (!lb_quote_parse(family, p, icmp + 1, &quote) ||
	    !lb_address_equal(family, flow->tuple.daddr, lb_ip_source(family, quote.ip)))
		return LB_REASON_ICMP_UNRELATED;
	if (quote.protocol != IPPROTO_TCP && quote.protocol != IPPROTO_UDP)
		return lb_tunnel_error_send(family, p, x, &quote, LB_REASON_ICMP_UNRELATED);
	lb_quote_tuple_turned(family, &quote, &flow->tuple);
	if (!lb_flow_seek(family, x, &reason)) {
		if (reason != LB_REASON_NOT_SERVICE)
			reason = LB_REASON_ICMP_UNRELATED;
		if (quote.protocol != IPPROTO_UDP)
			return reason;
		return lb_tunnel_error_send(family, p, x, &quote, reason);
	}
	reason = lb_way_find(family, x, &way);
	if (reason != LB_REASON_FORWARDED)
		return reason;
	if (!(flow->conn.entry.flags & LB_CONN_ONE_SIDED))
		lb_error_rewrite(family, p, &x->view, &quote, flow, x->direction);
	return lb_send(family, p, x, &way, false);
}

static __always_inline bool lb_echo_is_request(const enum lb_family family,
					       const struct lb_view *view,
					       const struct lb_icmp *icmp)
{
	if (view->fragment || icmp->code)
		return false;
	if (family == LB_IPV4)
		return icmp->type == LB_ICMP_ECHO;
	/* Extension headers are not for the way back. */
	return icmp->type == LB_ICMP6_ECHO && view->header == sizeof(struct ipv6hdr);
}

/* The IP header of a request becomes that of its reply. */
static __always_inline void lb_echo_turn(const enum lb_family family, void *packet,
					 const struct lb_tuple *request)
{
	struct ipv6hdr *ip6 = packet;
	struct iphdr *ip4 = packet;
	__u64 sum = 0;

	if (family == LB_IPV6) {
		__builtin_memcpy(&ip6->saddr, request->daddr, sizeof(ip6->saddr));
		__builtin_memcpy(&ip6->daddr, request->saddr, sizeof(ip6->daddr));
		ip6->hop_limit = LB_ANSWER_TTL;
		return;
	}
	ip4->saddr = request->daddr[0];
	ip4->daddr = request->saddr[0];
	lb_patch16((__u16 *)&ip4->ttl, LB_ANSWER_TTL | IPPROTO_ICMP << 8, &sum);
	ip4->check = lb_checksum_apply(ip4->check, lb_sum_fold(sum));
}

/* Is it an echo request that a VIP answers: ECHO_ANSWERED, or what it is else. */
static __always_inline enum lb_reason lb_echo_check(const enum lb_family family,
						    const struct lb_view *view,
						    const struct lb_flow *flow)
{
	const struct lb_vip *vip = lb_vip_find(family, flow->bank, flow->tuple.daddr);

	if (!vip || vip->flags & LB_VIP_LOCAL)
		return LB_REASON_NOT_SERVICE;
	if (!lb_echo_is_request(family, view, view->transport) || !(vip->flags & LB_VIP_ECHO) ||
	    lb_source_is_martian(family, &flow->tuple, flow->bank))
		return LB_REASON_VIP_OTHER;
	return LB_REASON_ECHO_ANSWERED;
}

/* An echo request to a VIP comes back as its reply (RFC 1122, 3.2.2.6; RFC 4443, 4.2). */
static __always_inline enum lb_reason lb_echo_answer(const enum lb_family family,
						     struct lb_packet *p, struct lb_view *view,
						     const struct lb_flow *flow)
{
	const __u16 reply = family == LB_IPV6 ? LB_ICMP6_ECHO_REPLY : LB_ICMP_ECHO_REPLY;
	enum lb_reason reason = lb_echo_check(family, view, flow);
	struct lb_icmp *icmp = view->transport;
	__u64 sum = 0;

	if (reason != LB_REASON_ECHO_ANSWERED)
		return reason;
	/* Both addresses are in ICMPv6's checksum: in another order, which is the same sum. */
	lb_patch16((__u16 *)icmp, reply, &sum);
	icmp->checksum = lb_checksum_apply(icmp->checksum, lb_sum_fold(sum));
	lb_echo_turn(family, view->ip, &flow->tuple);
	lb_macs_turn(view->eth);
	return host_transmit_back(p) ? LB_REASON_ECHO_ANSWERED : LB_REASON_INTERFACE_GONE;
}

static __always_inline enum lb_reason lb_discovery_send(struct lb_packet *p, __u8 type)
{
	__u32 result;

	if (type != LB_ICMP6_SOLICITATION)
		return LB_REASON_NOT_SERVICE;
	result = lb_discovery_frame(host_frame(p));
	p->verdict = result >> 8 & 0xff;
	return result & 0xff;
}

/* What becomes of ICMP; x->view.link is known, and x->flow is zeroes. */
static __always_inline enum lb_reason lb_icmp_send(const enum lb_family family, struct lb_packet *p,
						   struct lb_passage *x)
{
	const struct lb_icmp *icmp;
	bool whole;

	if (!lb_parse_ip(family, p, &x->view))
		return LB_REASON_TRUNCATED;
	icmp = x->view.transport;
	whole = (void *)(icmp + 1) <= p->data_end;
	if (family == LB_IPV6 && !x->view.fragment && whole && lb_discovery_is(icmp->type))
		return lb_discovery_send(p, icmp->type);
	if (x->view.eth->h_dest[0] & 1)
		return LB_REASON_NOT_SERVICE;
	if (!lb_passage_begin(x))
		return LB_REASON_INTERNAL;
	if (x->view.fragment == LB_FRAGMENT_LATER)
		return LB_REASON_FRAGMENT_UNKNOWN;
	if ((void *)(icmp + 1) > p->data_end)
		return LB_REASON_TRUNCATED;
	/* In the flow's memory addresses don't need stack. */
	x->flow->tuple = x->view.tuple;
	if (!lb_icmp_is_error(family, icmp->type) || x->view.fragment)
		return lb_echo_answer(family, p, &x->view, x->flow);
	return lb_icmp_error_send(family, p, x);
}

#endif
