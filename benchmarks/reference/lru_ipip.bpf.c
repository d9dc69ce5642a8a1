// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Direct return by IP in IP with the kernel's LRU hash map as connection table, as one would
 * write it for speed: VIP, then the flow's backend, then all that the outer header needs in one
 * row, with the constant part of its checksum summed up beforehand. DF and TOS are copied, the
 * inner bytes are left alone, a packet too big for the tunnel is refused, and packets are counted
 * by CPU and backend. It knows UDP only, no states and no timeouts.
 */
#include "bench.h"

#define HOP_LIMIT 64
#define DF 0x4000
#define FRAGMENT 0x3fff /* more fragments, and the offset */

struct flow {
	__be32 source;
	__be32 destination;
	__be16 source_port;
	__be16 destination_port;
	__u32 protocol;
};

struct service {
	__be32 address;
	__be16 port;
	__u16 protocol;
};

/* A backend, and the way to it. */
struct real {
	__be32 address;
	__be32 source;
	__u8 ethernet[12];
	__u32 sum; /* of the outer header without TOS, length and DF; unfolded, in memory order */
	__u32 mtu; /* of the IP packet that goes out */
	__u32 side;
};

struct traffic {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct flow);
	__type(value, __u32); /* of reals */
} connections SEC(".maps");

/* Service -> number of backends. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct service);
	__type(value, __u32);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BACKENDS);
	__type(key, __u32);
	__type(value, struct real);
} reals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BACKENDS);
	__type(key, __u32);
	__type(value, struct traffic);
} traffic SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} ways_out SEC(".maps");

static __always_inline __u32 hash_flow(const struct flow *flow)
{
	__u64 hash = ((__u64)flow->source << 32 | flow->destination) * 0x9e3779b97f4a7c15ULL;

	hash ^= hash >> 29;
	hash += (__u64)flow->source_port << 16 | flow->destination_port;
	hash *= 0xbf58476d1ce4e5b9ULL;
	return hash >> 32;
}

/* Puts the outer headers in front of the packet and sends it. */
static __always_inline int encapsulate(struct xdp_md *ctx, const struct headers *inner, __u32 chosen)
{
	struct real *real = bpf_map_lookup_elem(&reals, &chosen);
	struct traffic *count = bpf_map_lookup_elem(&traffic, &chosen);
	__u16 length = bpf_ntohs(inner->ip.tot_len);
	__be16 df = inner->ip.frag_off & bpf_htons(DF);
	__u8 tos = inner->ip.tos;
	__be16 outer_length = bpf_htons(length + sizeof(struct iphdr));
	struct {
		struct ethhdr ethernet;
		struct iphdr ip;
	} __attribute__((packed)) *outer;

	if (!real || !count || length + sizeof(struct iphdr) > real->mtu)
		return XDP_DROP;
	count->packets++;
	count->bytes += length;

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct iphdr)))
		return XDP_DROP;
	outer = (void *)(long)ctx->data;
	if ((void *)(outer + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	__builtin_memcpy(&outer->ethernet, real->ethernet, 12);
	outer->ethernet.h_proto = bpf_htons(ETH_P_IP);
	outer->ip.version = 4;
	outer->ip.ihl = 5;
	outer->ip.tos = tos;
	outer->ip.tot_len = outer_length;
	outer->ip.id = 0;
	outer->ip.frag_off = df;
	outer->ip.ttl = HOP_LIMIT;
	outer->ip.protocol = IPPROTO_IPIP;
	outer->ip.check = ~fold(real->sum + bpf_htons(tos) + outer_length + df);
	outer->ip.saddr = real->source;
	outer->ip.daddr = real->address;
	return bpf_redirect_map(&ways_out, real->side & 1, 0);
}

SEC("xdp.frags")
int lru_ipip(struct xdp_md *ctx)
{
	struct headers *headers = headers_of(ctx);
	struct service service = {};
	struct flow flow = {};
	__u32 *count, *found;
	__u32 chosen;

	if (!headers || headers->ip.frag_off & bpf_htons(FRAGMENT))
		return XDP_PASS;
	service.address = headers->ip.daddr;
	service.port = headers->udp.dest;
	service.protocol = headers->ip.protocol;
	count = bpf_map_lookup_elem(&services, &service);
	if (!count || !*count)
		return XDP_PASS;
	flow.source = headers->ip.saddr;
	flow.destination = headers->ip.daddr;
	flow.source_port = headers->udp.source;
	flow.destination_port = headers->udp.dest;
	flow.protocol = headers->ip.protocol;
	found = bpf_map_lookup_elem(&connections, &flow);
	if (found)
		return encapsulate(ctx, headers, *found);
	chosen = hash_flow(&flow) % *count & (BACKENDS - 1);
	if (bpf_map_update_elem(&connections, &flow, &chosen, BPF_ANY))
		return XDP_PASS;
	return encapsulate(ctx, headers, chosen);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
