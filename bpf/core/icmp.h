/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ICMP (RFC 792): echo requests for a VIP are answered; an error about a packet of a known flow
 * reaches the other end translated, outside and inside, as if that end's own packet had caused
 * it. The quoted packet went the other way, so its tuple turned around finds the flow.
 */
#ifndef LB_ICMP_H
#define LB_ICMP_H

#include "admit.h"
#include "answer.h"
#include "nat.h"
#include "select.h"

/* The quoted packet of an ICMP error. */
struct lb_quote {
	struct lb_icmp *icmp;
	struct iphdr *ip;
	__be16 *ports;
	struct lb_tuple4 tuple; /* turned around: as a packet of the error's own direction */
};

static __always_inline bool lb_icmp_is_error(__u8 type)
{
	return type == LB_ICMP_UNREACHABLE || type == LB_ICMP_TIME_EXCEEDED ||
	       type == LB_ICMP_PARAMETER_PROBLEM || type == LB_ICMP_SOURCE_QUENCH;
}

static __always_inline bool lb_quote_parse(const struct lb_packet *p, const struct lb_view *view,
					   struct lb_quote *quote)
{
	struct lb_icmp *icmp = view->transport;
	struct iphdr *ip = (void *)(icmp + 1);
	__be16 *ports;

	if ((void *)(ip + 1) > p->data_end || ip->version != 4 || ip->ihl < 5)
		return false;
	ports = (void *)ip + ip->ihl * 4;
	if ((void *)(ports + LB_ICMP_QUOTE / 2) > p->data_end ||
	    ip->frag_off & lb_order16(LB_IP_OFFSET))
		return false;
	if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
		return false;
	quote->icmp = icmp;
	quote->ip = ip;
	quote->ports = ports;
	quote->tuple.saddr = ip->daddr;
	quote->tuple.daddr = ip->saddr;
	quote->tuple.sport = ports[1];
	quote->tuple.dport = ports[0];
	quote->tuple.protocol = ip->protocol;
	return true;
}

/* Replaces a 16-bit word and adds what changed to a sum. */
static __always_inline void lb_patch16(__u16 *word, __u16 value, __u64 *sum)
{
	*sum += (__u64)(__u16)~*word + value;
	*word = value;
}

static __always_inline void lb_patch_address(__be32 *address, __be32 value, __u64 *sum)
{
	*sum += (__u64)(__u32)~*address + value;
	*address = value;
}

/*
 * The quoted packet as its sender knew it. Its TCP checksum is beyond the eight bytes that are
 * sure to be there; the receiver of an error does not check it, but a UDP one is kept right.
 */
static __always_inline void lb_quote_rewrite(struct lb_quote *quote, __be32 saddr, __be32 daddr,
					     __be16 sport, __be16 dport)
{
	struct iphdr *ip = quote->ip;
	__u64 addresses = 0, ports = 0, all;
	__u16 *check = quote->ports + 3;

	lb_patch_address(&ip->saddr, saddr, &addresses);
	lb_patch_address(&ip->daddr, daddr, &addresses);
	all = addresses;
	lb_patch16(&ip->check, lb_checksum_apply(ip->check, lb_sum_fold(addresses)), &all);
	lb_patch16(&quote->ports[0], sport, &ports);
	lb_patch16(&quote->ports[1], dport, &ports);
	all += ports;
	if (ip->protocol == IPPROTO_UDP)
		lb_patch16(check, lb_checksum_apply_udp(*check, lb_sum_fold(addresses + ports)),
			   &all);
	quote->icmp->checksum = lb_checksum_apply(quote->icmp->checksum, lb_sum_fold(all));
}

/* Outside and inside of an error about a flow. */
static __always_inline void lb_error_rewrite(struct lb_view *view, struct lb_quote *quote,
					     const struct lb_conn4 *conn,
					     enum lb_direction direction)
{
	struct iphdr *ip = view->ip;
	__u64 sum = 0;

	if (direction == LB_DIRECTION_FORWARD) {
		if (conn->flags & LB_CONN_SOURCE_TRANSLATED)
			lb_patch_address(&ip->saddr, conn->source, &sum);
		lb_patch_address(&ip->daddr, conn->backend, &sum);
		lb_quote_rewrite(quote, conn->backend, conn->source, conn->backend_port,
				 conn->source_port);
	} else {
		/* A router keeps its name, so that traceroute works; the backend keeps hidden. */
		if (ip->saddr == conn->backend)
			lb_patch_address(&ip->saddr, conn->vip, &sum);
		lb_patch_address(&ip->daddr, conn->client, &sum);
		lb_quote_rewrite(quote, conn->client, conn->vip, conn->client_port, conn->vip_port);
	}
	ip->check = lb_checksum_apply(ip->check, lb_sum_fold(sum));
	lb_ttl_decrement(ip);
}

/* An echo request to a VIP comes back as its reply (RFC 1122, 3.2.2.6). */
static __always_inline enum lb_reason lb_echo_answer(struct lb_packet *p, struct lb_view *view,
						     __u32 bank)
{
	struct lb_icmp *icmp = view->transport;
	const struct lb_vip *vip = lb_vip_find4(bank, view->tuple.daddr);
	__u64 sum = 0;

	if (!vip || vip->flags & LB_VIP_LOCAL)
		return LB_REASON_NOT_SERVICE;
	if (icmp->type != LB_ICMP_ECHO || icmp->code || view->fragment ||
	    !(vip->flags & LB_VIP_ECHO) || lb_source_is_martian(&view->tuple, bank))
		return LB_REASON_VIP_OTHER;
	lb_patch16((__u16 *)icmp, LB_ICMP_ECHO_REPLY, &sum);
	icmp->checksum = lb_checksum_apply(icmp->checksum, lb_sum_fold(sum));
	sum = 0;
	view->ip->saddr = view->tuple.daddr;
	view->ip->daddr = view->tuple.saddr;
	lb_patch16((__u16 *)&view->ip->ttl, LB_ANSWER_TTL | IPPROTO_ICMP << 8, &sum);
	view->ip->check = lb_checksum_apply(view->ip->check, lb_sum_fold(sum));
	lb_link_turn(view->eth);
	return host_transmit_back(p) ? LB_REASON_ECHO_ANSWERED : LB_REASON_INTERFACE_GONE;
}

#endif
