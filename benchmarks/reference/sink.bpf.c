// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The far ends of the balancer's links. Each counts the UDP packets that arrive and drops
 * them; the backends' end answers them instead where it is told to, so that connections see
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

static __always_inline struct headers *count(struct xdp_md *ctx, __u32 side)
{
	struct headers *headers = headers_of(ctx);
	__u64 *packets;

	if (!headers)
		return 0;
	packets = bpf_map_lookup_elem(&arrived, &side);
	if (packets)
		++*packets;
	return headers;
}

/* Checksums cover sums of what is swapped: they stay right. */
static __always_inline void turn_around(struct headers *headers)
{
	unsigned char mac[ETH_ALEN];
	__be32 address = headers->ip.saddr;
	__be16 port = headers->udp.source;

	__builtin_memcpy(mac, headers->ethernet.h_source, ETH_ALEN);
	__builtin_memcpy(headers->ethernet.h_source, headers->ethernet.h_dest, ETH_ALEN);
	__builtin_memcpy(headers->ethernet.h_dest, mac, ETH_ALEN);
	headers->ip.saddr = headers->ip.daddr;
	headers->ip.daddr = address;
	headers->udp.source = headers->udp.dest;
	headers->udp.dest = port;
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
	struct headers *headers = count(ctx, SIDE_BACK);
	__u32 zero = 0;
	__u64 *answer;

	if (!headers)
		return XDP_DROP;
	answer = bpf_map_lookup_elem(&answering, &zero);
	if (!answer || !*answer)
		return XDP_DROP;
	turn_around(headers);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
