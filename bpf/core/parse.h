/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From a frame to a tuple. Nothing here changes a packet; what does not parse goes to the stack,
 * which knows better what to do with it.
 */
#ifndef LB_PARSE_H
#define LB_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "conn.h"
#include "host.h"

#define LB_IP_MORE_FRAGMENTS 0x2000
#define LB_IP_DONT_FRAGMENT 0x4000
#define LB_IP_OFFSET 0x1fff

/* ICMP (RFC 792). Its UAPI header pulls in libc's. */
struct lb_icmp {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__be16 unused;
	__be16 mtu; /* of LB_ICMP_TOO_BIG (RFC 1191) */
};

#define LB_ICMP_ECHO_REPLY 0
#define LB_ICMP_UNREACHABLE 3
#define LB_ICMP_SOURCE_QUENCH 4
#define LB_ICMP_ECHO 8
#define LB_ICMP_TIME_EXCEEDED 11
#define LB_ICMP_PARAMETER_PROBLEM 12
/* Codes of LB_ICMP_UNREACHABLE. */
#define LB_ICMP_PORT 3
#define LB_ICMP_TOO_BIG 4

enum lb_fragment {
	LB_FRAGMENT_NONE,
	LB_FRAGMENT_FIRST,
	LB_FRAGMENT_LATER, /* carries no ports */
};

/* What the headers of an IPv4 packet say. */
struct lb_view {
	struct ethhdr *eth;
	struct iphdr *ip;
	void *transport;
	struct lb_tuple4 tuple;
	__u16 length; /* of the IP packet */
	__u8 header; /* bytes of the IP header */
	__u8 fragment; /* enum lb_fragment */
	__u8 tcp_flags;
};

static __always_inline __u16 lb_order16(__u16 value)
{
	return __builtin_bswap16(value);
}

static __always_inline __u32 lb_order32(__u32 value)
{
	return __builtin_bswap32(value);
}

/* True if the IPv4 header is whole and the packet is as long as it says. */
static __always_inline bool lb_parse_ip(const struct lb_packet *p, struct lb_view *view)
{
	struct iphdr *ip = (void *)((struct ethhdr *)p->data + 1);
	__u32 header;
	__u16 offset;

	if ((void *)(ip + 1) > p->data_end)
		return false;
	header = ip->ihl * 4;
	view->length = lb_order16(ip->tot_len);
	if (ip->version != 4 || header < sizeof(*ip) || view->length < header)
		return false;
	if ((void *)ip + view->length > p->data_end &&
	    sizeof(struct ethhdr) + view->length > host_packet_length(p))
		return false;
	offset = lb_order16(ip->frag_off) & (LB_IP_MORE_FRAGMENTS | LB_IP_OFFSET);
	view->fragment = LB_FRAGMENT_NONE;
	if (offset)
		view->fragment = offset & LB_IP_OFFSET ? LB_FRAGMENT_LATER : LB_FRAGMENT_FIRST;
	view->header = header;
	view->eth = p->data;
	view->ip = ip;
	view->transport = (void *)ip + header;
	view->tuple.saddr = ip->saddr;
	view->tuple.daddr = ip->daddr;
	view->tuple.protocol = ip->protocol;
	return true;
}

/* True if the TCP or UDP header is whole; fills in the ports and TCP's flags. */
static __always_inline bool lb_parse_transport(const struct lb_packet *p, struct lb_view *view)
{
	struct tcphdr *tcp = view->transport;
	struct udphdr *udp = view->transport;

	if ((void *)(udp + 1) > p->data_end || view->header + sizeof(*udp) > view->length)
		return false;
	view->tuple.sport = udp->source;
	view->tuple.dport = udp->dest;
	view->tcp_flags = 0;
	if (view->tuple.protocol != IPPROTO_TCP)
		return true;
	if ((void *)(tcp + 1) > p->data_end || view->header + sizeof(*tcp) > view->length)
		return false;
	view->tcp_flags = ((__u8 *)tcp)[13];
	return true;
}

#endif
