/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Would the core do anything about a packet but pass it? The same look-ups, exact ones, and
 * nothing is changed:
 *
 *	to a service	the VIP has one at this port, or the packet's flow is known
 *	a reply		its flow is known
 *	ICMP		an echo request that the VIP answers, or an error about a known flow
 *	ARP, ND		a question for a VIP's address, where it is answered
 *	a fragment	by the ports that the first one left; and any later one to a VIP, because its
 *			first may have come by another queue and wait there
 *
 * What is asked for and then passed is rare: such a later fragment, a service that has no backend
 * and passes. What is not asked for ends with the reason that the core would give it.
 */
#ifndef LB_SIFT_H
#define LB_SIFT_H

#include "icmp.h"

#define LB_SIFT_ASK LB_REASON_COUNT /* else enum lb_reason, one that passes */

/* What a first fragment's ports are kept for, and they alone. */
enum lb_sift_memory {
	LB_SIFT_ONLY_READS,
	LB_SIFT_REMEMBERS,
};

static __always_inline void lb_sift_tuple(const enum lb_family family, struct lb_tuple *to,
					  const struct lb_tuple *from)
{
	lb_address_copy(family, to->saddr, from->saddr);
	lb_address_copy(family, to->daddr, from->daddr);
	to->sport = from->sport;
	to->dport = from->dport;
	to->protocol = from->protocol;
}

/* What a packet to no known flow is, by the VIP and the port that it is to. */
static __always_inline __u32 lb_sift_vip(const enum lb_family family, const struct lb_flow *flow)
{
	const struct lb_vip *vip = lb_vip_find(family, flow->bank & 1, flow->tuple.daddr);
	__u32 service;

	if (!vip || vip->flags & LB_VIP_LOCAL)
		return LB_REASON_NOT_SERVICE;
	if (!lb_port_find(flow->bank & 1, vip, flow->tuple.dport, flow->tuple.protocol, &service))
		return LB_REASON_VIP_NO_PORT;
	return LB_SIFT_ASK;
}

LB_SEAM __u32 lb_sift_vip4(const struct lb_flow *flow)
{
	return flow ? lb_sift_vip(LB_IPV4, flow) : LB_SIFT_ASK;
}

LB_SEAM __u32 lb_sift_vip6(const struct lb_flow *flow)
{
	return flow ? lb_sift_vip(LB_IPV6, flow) : LB_SIFT_ASK;
}

static __always_inline __u32 lb_sift_vip_call(const enum lb_family family,
					      const struct lb_flow *flow)
{
	return family == LB_IPV6 ? lb_sift_vip6(flow) : lb_sift_vip4(flow);
}

/* TCP or UDP; its ports are known. */
static __always_inline __u32 lb_sift_flow(const enum lb_family family, const struct lb_tuple *tuple,
					  struct lb_passage *x)
{
	struct lb_flow *flow = x->flow;
	enum lb_reason reason;

	/* Most of what is for no service ends here. */
	if (!lb_filter_test(family, flow->bank, flow->wild, LB_DIRECTION_FORWARD, tuple->daddr,
			    tuple->dport, tuple->protocol) &&
	    !lb_filter_test(family, flow->bank, flow->wild, LB_DIRECTION_REVERSE, tuple->saddr,
			    tuple->sport, tuple->protocol))
		return LB_REASON_NOT_SERVICE;
	lb_sift_tuple(family, &flow->tuple, tuple);
	if (lb_flow_seek(family, x, &reason))
		return LB_SIFT_ASK;
	return reason == LB_REASON_FORWARDED ? lb_sift_vip_call(family, flow) : reason;
}

/* A later fragment, whose first one left nothing. */
static __always_inline __u32 lb_sift_fragment(const enum lb_family family,
					      const struct lb_view *view, struct lb_flow *flow)
{
	lb_sift_tuple(family, &flow->tuple, &view->tuple);
	return lb_sift_vip_call(family, flow) == LB_REASON_NOT_SERVICE ?
		       LB_REASON_FRAGMENT_UNKNOWN :
		       LB_SIFT_ASK;
}

static __always_inline __u32 lb_sift_ports(const enum lb_family family, const struct lb_packet *p,
					   struct lb_passage *x, const enum lb_sift_memory memory)
{
	struct lb_view *view = &x->view;

	view->tuple.sport = 0;
	view->tuple.dport = 0;
	if (view->fragment == LB_FRAGMENT_LATER) {
		if (!lb_fragment_recall(family, view))
			return lb_sift_fragment(family, view, x->flow);
	} else if (!lb_parse_transport(p, view)) {
		return LB_REASON_TRUNCATED;
	} else if (view->fragment == LB_FRAGMENT_FIRST && memory == LB_SIFT_REMEMBERS) {
		lb_fragment_remember(family, view);
	}
	return lb_sift_flow(family, &view->tuple, x);
}

/* An error: is what it quotes of a known flow, or in a tunnel of ours? */
static __always_inline __u32 lb_sift_error(const enum lb_family family, const struct lb_packet *p,
					   struct lb_passage *x)
{
	const struct lb_icmp *icmp = x->view.transport;
	enum lb_reason reason = LB_REASON_ICMP_UNRELATED;
	struct lb_flow *flow = x->flow;
	struct lb_inner inner = {};
	struct lb_quote quote;

	if (!lb_quote_parse(family, p, (void *)(icmp + 1), &quote) ||
	    !lb_address_equal(family, flow->tuple.daddr, lb_ip_source(family, quote.ip)))
		return reason;
	if (quote.protocol == IPPROTO_TCP || quote.protocol == IPPROTO_UDP) {
		lb_quote_tuple_turned(family, &quote, &flow->tuple);
		if (lb_flow_seek(family, x, &reason))
			return LB_SIFT_ASK;
		if (reason != LB_REASON_NOT_SERVICE)
			reason = LB_REASON_ICMP_UNRELATED;
		if (quote.protocol != IPPROTO_UDP)
			return reason;
	}
	reason = lb_tunnel_error_find(family, p, x, &quote, &inner, reason);
	return reason == LB_REASON_FORWARDED ? LB_SIFT_ASK : reason;
}

/*
 * As lb_discovery_answer(). A function of its own, as what looks for flows needs the stack: chains
 * of calls have 512 bytes, and older kernels round each up to 32.
 */
LB_SEAM __u32 lb_sift_solicitation(lb_frame *frame)
{
	struct lb_packet packet = host_open(frame), *p = &packet;
	const struct lb_interface *interface;
	const struct lb_discovery *asked;
	const struct ethhdr *eth = p->data;
	struct lb_view view = {};
	__u32 target[4];

	if (!lb_parse_link(p, &view.link) || !lb_parse_ip(LB_IPV6, p, &view))
		return LB_REASON_TRUNCATED;
	if (!lb_solicitation_holds(p, &view))
		return LB_REASON_NOT_SERVICE;
	asked = view.transport;
	lb_address_copy(LB_IPV6, target, asked->target);
	interface = lb_vip_interface(LB_IPV6, p, view.link.tags, target);
	if (!interface || !(eth->h_dest[0] & 1 || lb_frame_is_for(p, interface)))
		return LB_REASON_NOT_SERVICE;
	return LB_SIFT_ASK;
}

/* As lb_icmp_send(). */
static __always_inline __u32 lb_sift_icmp(const enum lb_family family, lb_frame *frame,
					  struct lb_flow *flow)
{
	struct lb_packet packet = host_open(frame), *p = &packet;
	struct lb_passage x = { .flow = flow };
	const struct lb_icmp *icmp;
	enum lb_reason reason;
	bool whole;

	if (!flow || !lb_parse_link(p, &x.view.link) || !lb_parse_ip(family, p, &x.view))
		return LB_REASON_TRUNCATED;
	icmp = x.view.transport;
	whole = (void *)(icmp + 1) <= p->data_end;
	if (family == LB_IPV6 && !x.view.fragment && whole && lb_discovery_is(icmp->type))
		return lb_sift_solicitation(frame);
	if (x.view.eth->h_dest[0] & 1)
		return LB_REASON_NOT_SERVICE;
	if (x.view.fragment == LB_FRAGMENT_LATER)
		return LB_REASON_FRAGMENT_UNKNOWN;
	if ((void *)(icmp + 1) > p->data_end)
		return LB_REASON_TRUNCATED;
	lb_sift_tuple(family, &flow->tuple, &x.view.tuple);
	if (lb_icmp_is_error(family, icmp->type) && !x.view.fragment)
		return lb_sift_error(family, p, &x);
	reason = lb_echo_check(family, &x.view, flow);
	return reason == LB_REASON_ECHO_ANSWERED ? LB_SIFT_ASK : reason;
}

LB_SEAM __u32 lb_sift_icmp4(lb_frame *frame, struct lb_flow *flow)
{
	return lb_sift_icmp(LB_IPV4, frame, flow);
}

LB_SEAM __u32 lb_sift_icmp6(lb_frame *frame, struct lb_flow *flow)
{
	return lb_sift_icmp(LB_IPV6, frame, flow);
}

static __always_inline __u32 lb_sift_ip(const enum lb_family family, struct lb_packet *p,
					struct lb_passage *x, const enum lb_sift_memory memory)
{
	const __u8 icmp = family == LB_IPV6 ? LB_PROTOCOL_ICMP6 : LB_PROTOCOL_ICMP;
	struct lb_view *view = &x->view;

	if (!lb_parse_ip(family, p, view))
		return LB_REASON_TRUNCATED;
	if (view->tuple.protocol == icmp)
		return family == LB_IPV6 ? lb_sift_icmp6(host_frame(p), x->flow) :
					   lb_sift_icmp4(host_frame(p), x->flow);
	if (view->eth->h_dest[0] & 1)
		return LB_REASON_NOT_SERVICE;
	if (view->tuple.protocol == IPPROTO_TCP || view->tuple.protocol == IPPROTO_UDP)
		return lb_sift_ports(family, p, x, memory);
	return LB_REASON_NOT_SERVICE;
}

/* As lb_arp_answer(). */
LB_SEAM __u32 lb_sift_arp(lb_frame *frame)
{
	struct lb_packet packet = host_open(frame), *p = &packet;
	struct lb_link link = {};
	const struct lb_arp *arp;
	__u32 target[4] = {};

	if (!lb_parse_link(p, &link))
		return LB_REASON_TRUNCATED;
	arp = p->data + lb_link_bytes(&link);
	if ((void *)(arp + 1) > p->data_end)
		return LB_REASON_TRUNCATED;
	if (!lb_arp_asks(arp))
		return LB_REASON_NOT_SERVICE;
	target[0] = arp->target;
	return lb_vip_interface(LB_IPV4, p, link.tags, target) ? LB_SIFT_ASK :
								 LB_REASON_NOT_SERVICE;
}

/* What is to become of a frame: LB_SIFT_ASK, or why it passes. flow is the caller's scratch. */
static __always_inline __u32 lb_sift(struct lb_packet *p, struct lb_flow *flow,
				     const enum lb_sift_memory memory)
{
	const struct lb_control *control = host_region(LB_REGION_CONTROL, 0);
	struct lb_passage x = { .flow = flow };
	struct lb_link *link = &x.view.link;

	if (!control)
		return LB_SIFT_ASK;
	lb_passage_see(&x, control);
	if (!lb_parse_link(p, link))
		return LB_REASON_TRUNCATED;
	if (link->tags && lb_interface_find(p->ifindex, link->tags) >= LB_MAX_INTERFACES)
		return LB_REASON_VLAN_UNKNOWN;
	if (link->protocol == lb_order16(ETH_P_IP))
		return lb_sift_ip(LB_IPV4, p, &x, memory);
	if (link->protocol == lb_order16(ETH_P_IPV6))
		return lb_sift_ip(LB_IPV6, p, &x, memory);
	if (link->protocol == lb_order16(ETH_P_ARP))
		return lb_sift_arp(host_frame(p));
	return LB_REASON_NOT_IP;
}

#endif
