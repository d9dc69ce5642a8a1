/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Frames that the appliance makes of a packet it can't forward, sent back the way it came: TCP
 * resets (RFC 9293, 3.10.7.1) and ICMP errors (RFC 792, RFC 1812 4.3). A cpu slot makes at most
 * LB_ANSWERS_PER_TICK of them.
 */
#ifndef LB_ANSWER_H
#define LB_ANSWER_H

#include "checksum.h"
#include "hop.h"
#include "parse.h"

#define LB_ANSWER_NONE LB_ANSWER_COUNT
#define LB_ANSWER_TTL 64
#define LB_ICMP_QUOTE 8 /* bytes of transport header that an ICMP error quotes */

/* The headers of an answer, written whole. */
static __always_inline void lb_answer_ip(struct iphdr *ip, __be32 from, __be32 to, __u16 length,
					 __u8 protocol)
{
	__u64 sum;

	*(__u16 *)ip = 0x0045; /* version 4, five words, no type of service */
	ip->tot_len = lb_order16(length);
	ip->id = 0;
	ip->frag_off = lb_order16(LB_IP_DONT_FRAGMENT);
	ip->ttl = LB_ANSWER_TTL;
	ip->protocol = protocol;
	ip->saddr = from;
	ip->daddr = to;
	sum = (__u64)from + to + 0x0045 + ip->tot_len + ip->frag_off;
	sum += LB_ANSWER_TTL | (__u32)protocol << 8;
	ip->check = ~lb_sum_fold(sum);
}

static __always_inline void lb_link_turn(struct ethhdr *eth)
{
	__u64 source = lb_mac_load(eth->h_source);

	lb_mac_store(eth->h_source, lb_mac_load(eth->h_dest));
	lb_mac_store(eth->h_dest, source);
}

/* A reset is never answered by one, and a fragment can't be. */
static __always_inline bool lb_answer_reset(struct lb_packet *p)
{
	struct lb_view view;
	struct tcphdr *tcp;
	struct iphdr *ip;
	__u32 header, seq, ack, flags;
	__be32 from, to;
	__be16 sport, dport;
	__u64 sum;

	if (!lb_parse_ip(p, &view) || view.fragment || !lb_parse_transport(p, &view))
		return false;
	tcp = view.transport;
	if ((void *)(tcp + 1) > p->data_end || view.tcp_flags & LB_TCP_RST)
		return false;
	header = view.ip->ihl * 4 + tcp->doff * 4;
	from = view.tuple.daddr;
	to = view.tuple.saddr;
	sport = view.tuple.dport;
	dport = view.tuple.sport;
	seq = 0;
	ack = 0;
	flags = LB_TCP_RST;
	if (view.tcp_flags & LB_TCP_ACK) {
		seq = tcp->ack_seq;
	} else {
		ack = lb_order32(tcp->seq) + !!(view.tcp_flags & LB_TCP_SYN) +
		      !!(view.tcp_flags & LB_TCP_FIN);
		if (view.length > header)
			ack += view.length - header;
		ack = lb_order32(ack);
		flags |= LB_TCP_ACK;
	}
	if (!host_packet_trim(p, sizeof(struct ethhdr) + sizeof(*ip) + sizeof(*tcp)))
		return false;
	ip = p->data + sizeof(struct ethhdr);
	tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) > p->data_end)
		return false;
	lb_link_turn(p->data);
	lb_answer_ip(ip, from, to, sizeof(*ip) + sizeof(*tcp), IPPROTO_TCP);
	tcp->source = sport;
	tcp->dest = dport;
	tcp->seq = seq;
	tcp->ack_seq = ack;
	((__u16 *)tcp)[6] = (__u16)(0x50 | flags << 8);
	tcp->window = 0;
	tcp->urg_ptr = 0;
	sum = (__u64)from + to + lb_order16(IPPROTO_TCP) + lb_order16(sizeof(*tcp));
	sum += (__u64)sport + dport + seq + ack + ((__u16 *)tcp)[6];
	tcp->check = ~lb_sum_fold(sum);
	return true;
}

/*
 * An ICMP error that quotes the packet's IP header and eight bytes. Its checksum needs no pass
 * over the quoted IP header: a valid one sums to zero.
 */
static __always_inline bool lb_answer_icmp(struct lb_packet *p, __u8 type, __u8 code, __u16 mtu)
{
	const __u32 added = sizeof(struct iphdr) + sizeof(struct lb_icmp);
	struct ethhdr *eth;
	struct lb_icmp *icmp;
	struct lb_view view;
	struct iphdr *ip;
	__u64 dest, source, sum = 0;
	__be32 from, to;
	__u32 header, slot;
	__u16 *quote;

	if (!lb_parse_ip(p, &view) || view.fragment == LB_FRAGMENT_LATER)
		return false;
	quote = view.transport;
	if ((void *)(quote + LB_ICMP_QUOTE / 2) > p->data_end)
		return false;
	for (int i = 0; i < LB_ICMP_QUOTE / 2; i++)
		sum += quote[i];
	header = view.ip->ihl * 4;
	dest = lb_mac_load(view.eth->h_dest);
	source = lb_mac_load(view.eth->h_source);
	to = view.tuple.saddr;
	from = view.tuple.daddr;
	slot = lb_interface_find(p->ifindex);
	if (type != LB_ICMP_UNREACHABLE || code != LB_ICMP_PORT) {
		const struct lb_interface *interface = host_region(LB_REGION_INTERFACES, slot);

		if (interface && interface->address4)
			from = interface->address4;
	}
	if (!host_packet_trim(p, sizeof(*eth) + header + LB_ICMP_QUOTE) ||
	    !host_packet_grow_head(p, added))
		return false;
	eth = p->data;
	ip = (void *)(eth + 1);
	icmp = (void *)(ip + 1);
	if ((void *)(icmp + 1) > p->data_end)
		return false;
	lb_mac_store(eth->h_dest, source);
	lb_mac_store(eth->h_source, dest);
	eth->h_proto = lb_order16(ETH_P_IP);
	lb_answer_ip(ip, from, to, added + header + LB_ICMP_QUOTE, IPPROTO_ICMP);
	icmp->type = type;
	icmp->code = code;
	icmp->unused = 0;
	icmp->mtu = lb_order16(mtu);
	sum += type | (__u32)code << 8;
	sum += icmp->mtu;
	icmp->checksum = ~lb_sum_fold(sum);
	return true;
}

/* A switch may flood us what is for another box with the same VIP: that one answers. */
static __always_inline bool lb_answer_expected(const struct lb_packet *p)
{
	const struct lb_interface *interface = host_region(LB_REGION_INTERFACES,
							   lb_interface_find(p->ifindex));
	const struct ethhdr *eth = p->data;

	return interface && (void *)(eth + 1) <= p->data_end &&
	       lb_mac_load(eth->h_dest) == lb_mac_load(interface->mac);
}

static __always_inline bool lb_answer_allowed(struct lb_cpu *cpu, __u32 tick)
{
	if (cpu->answer_tick != tick) {
		cpu->answer_tick = tick;
		cpu->answer_tokens = LB_ANSWERS_PER_TICK;
	}
	if (!cpu->answer_tokens)
		return false;
	cpu->answer_tokens--;
	return true;
}

static __always_inline void lb_answer_make(struct lb_packet *p, __u32 kind, __u16 mtu)
{
	struct lb_control *control = host_region(LB_REGION_CONTROL, 0);
	struct lb_cpu *cpu = host_region(LB_REGION_CPUS, host_slot());
	bool made = false;

	if (!lb_answer_expected(p))
		return;
	if (!control || !cpu || kind >= LB_ANSWER_COUNT ||
	    !lb_answer_allowed(cpu, host_tick_kept(control)))
		return;
	switch (kind) {
	case LB_ANSWER_TCP_RESET:
		made = lb_answer_reset(p);
		break;
	case LB_ANSWER_UNREACHABLE:
		made = lb_answer_icmp(p, LB_ICMP_UNREACHABLE, LB_ICMP_PORT, 0);
		break;
	case LB_ANSWER_TIME_EXCEEDED:
		made = lb_answer_icmp(p, LB_ICMP_TIME_EXCEEDED, 0, 0);
		break;
	case LB_ANSWER_TOO_BIG:
		made = lb_answer_icmp(p, LB_ICMP_UNREACHABLE, LB_ICMP_TOO_BIG, mtu);
		break;
	}
	if (made && host_transmit_back(p))
		cpu->answer[host_opaque(kind) & 3]++;
}

/* Turns a dropped packet into an answer and sends it back, if it may: enum lb_verdict. */
LB_SEAM int lb_answer_frame(lb_frame *frame, __u32 kind, __u32 mtu)
{
	struct lb_packet p = host_open(frame);

	host_drop(&p);
	lb_answer_make(&p, kind, mtu);
	host_close(frame, &p);
	return p.verdict;
}

#endif
