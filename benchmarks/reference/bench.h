/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the driver, the sinks and the reference forwarders share. */
#ifndef BENCH_H
#define BENCH_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define BACKENDS 128

/* Devmap indices of a reference forwarder, and indices of its hops. */
enum side {
	SIDE_FRONT, /* towards the clients */
	SIDE_BACK, /* towards the backends */
};

/* How a reference forwarder is configured: one element, written before it runs. */
struct setup {
	__u8 ethernet[2][12]; /* by side: destination and source MAC address */
	__be32 backend[BACKENDS];
	__be32 vip;
	__be16 vip_port;
	__be16 backend_port;
};

struct headers {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed));

struct headers6 {
	struct ethhdr ethernet;
	struct ipv6hdr ip;
	struct udphdr udp;
} __attribute__((packed));

/* The headers of a UDP packet without IP options, or NULL. */
static __always_inline struct headers *headers_of(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct headers *headers = data;

	if ((void *)(headers + 1) > data_end)
		return 0;
	if (headers->ethernet.h_proto != bpf_htons(ETH_P_IP) || headers->ip.ihl != 5 ||
	    headers->ip.protocol != IPPROTO_UDP)
		return 0;
	return headers;
}

/* The same of IPv6, without extension headers. */
static __always_inline struct headers6 *headers6_of(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct headers6 *headers = data;

	if ((void *)(headers + 1) > data_end)
		return 0;
	if (headers->ethernet.h_proto != bpf_htons(ETH_P_IPV6) || headers->ip.nexthdr != IPPROTO_UDP)
		return 0;
	return headers;
}

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

#endif
