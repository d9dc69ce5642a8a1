// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The far ends of the balancer's links. Each counts the packets that arrive, UDP or IP in IP, and
 * drops them; the backends' end answers them instead where it is told to, so that connections see
 * a real reply.
 */
#include "bench.h"

/* Packets that arrived, by side. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} arrived SEC(".maps");

/* One element: 1 if the backends answer. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} answering SEC(".maps");

/* What becomes of a packet that arrived. */
enum arrival {
	ARRIVED_OTHER, /* not the benchmark's */
	ARRIVED_UDP,
	ARRIVED_UDP6,
	ARRIVED_TUNNEL, /* IP in IP */
};

static __always_inline bool is_tunnel(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct headers *headers = data;

	return (void *)(headers + 1) <= data_end &&
	       headers->ethernet.h_proto == bpf_htons(ETH_P_IP) &&
	       headers->ip.protocol == IPPROTO_IPIP;
}

static __always_inline enum arrival arrival_of(struct xdp_md *ctx)
{
	if (headers_of(ctx))
		return ARRIVED_UDP;
	if (headers6_of(ctx))
		return ARRIVED_UDP6;
	return is_tunnel(ctx) ? ARRIVED_TUNNEL : ARRIVED_OTHER;
}

static __always_inline enum arrival count(struct xdp_md *ctx, __u32 side)
{
	enum arrival arrival = arrival_of(ctx);
	__u64 *packets;

	if (arrival == ARRIVED_OTHER)
		return arrival;
	packets = bpf_map_lookup_elem(&arrived, &side);
	if (packets)
		++*packets;
	return arrival;
}

static __always_inline void turn_link_around(struct ethhdr *ethernet)
{
	unsigned char mac[ETH_ALEN];

	__builtin_memcpy(mac, ethernet->h_source, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, ethernet->h_dest, ETH_ALEN);
	__builtin_memcpy(ethernet->h_dest, mac, ETH_ALEN);
}

/* Checksums cover sums of what is swapped: they stay right. */
static __always_inline int turn_around(struct headers *headers)
{
	__be32 address;
	__be16 port;

	if (!headers)
		return XDP_DROP;
	turn_link_around(&headers->ethernet);
	address = headers->ip.saddr;
	headers->ip.saddr = headers->ip.daddr;
	headers->ip.daddr = address;
	port = headers->udp.source;
	headers->udp.source = headers->udp.dest;
	headers->udp.dest = port;
	return XDP_TX;
}

static __always_inline int turn_around6(struct headers6 *headers)
{
	struct in6_addr address;
	__be16 port;

	if (!headers)
		return XDP_DROP;
	turn_link_around(&headers->ethernet);
	address = headers->ip.saddr;
	headers->ip.saddr = headers->ip.daddr;
	headers->ip.daddr = address;
	port = headers->udp.source;
	headers->udp.source = headers->udp.dest;
	headers->udp.dest = port;
	return XDP_TX;
}

SEC("xdp.frags")
int sink_front(struct xdp_md *ctx)
{
	count(ctx, SIDE_FRONT);
	return XDP_DROP;
}

SEC("xdp.frags")
int sink_back(struct xdp_md *ctx)
{
	enum arrival arrival = count(ctx, SIDE_BACK);
	__u32 zero = 0;
	__u64 *answer = bpf_map_lookup_elem(&answering, &zero);

	if (!answer || !*answer)
		return XDP_DROP;
	switch (arrival) {
	case ARRIVED_UDP:
		return turn_around(headers_of(ctx));
	case ARRIVED_UDP6:
		return turn_around6(headers6_of(ctx));
	default:
		return XDP_DROP;
	}
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
