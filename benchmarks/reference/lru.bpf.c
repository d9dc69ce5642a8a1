// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * DNAT with the kernel's LRU hash map as connection table, as one would write it: one map
 * with a key for each direction, the whole rewrite in the value, checksums by difference,
 * counters by CPU. It knows UDP only, no states and no timeouts.
 */
#include "bench.h"

struct flow {
	__be32 source;
	__be32 destination;
	__be16 source_port;
	__be16 destination_port;
	__u32 protocol;
};

struct rewrite {
	__be32 source;
	__be32 destination;
	__be16 source_port;
	__be16 destination_port;
	__u16 address_delta; /* one's complement sum: new minus old */
	__u16 transport_delta;
	__u32 side; /* the way out */
	__u32 counter;
};

struct traffic {
	__u64 packets;
	__u64 bytes;
};

struct service {
	__be32 address;
	__be16 port;
	__u16 protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct flow);
	__type(value, struct rewrite);
} connections SEC(".maps");

/* Service -> number of backends. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct service);
	__type(value, __u32);
} services SEC(".maps");

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

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct setup);
} setups SEC(".maps");

static __always_inline __u32 sum32(__u32 value)
{
	return (value & 0xffff) + (value >> 16);
}

static __always_inline __u16 apply(__u16 check, __u16 delta)
{
	return ~fold((__u16)~check + (__u32)delta);
}

static __always_inline __u32 hash_flow(const struct flow *flow)
{
	__u64 hash = ((__u64)flow->source << 32 | flow->destination) * 0x9e3779b97f4a7c15ULL;

	hash ^= hash >> 29;
	hash += (__u64)flow->source_port << 16 | flow->destination_port;
	hash *= 0xbf58476d1ce4e5b9ULL;
	return hash >> 32;
}

static __noinline int connect(const struct flow *flow, struct rewrite *there)
{
	struct service service = {};
	struct rewrite back = {};
	struct flow reply = {};
	struct setup *setup;
	__u32 zero = 0, *count, chosen;

	if (!flow || !there)
		return -1;
	service.address = flow->destination;
	service.port = flow->destination_port;
	service.protocol = flow->protocol;
	count = bpf_map_lookup_elem(&services, &service);
	setup = bpf_map_lookup_elem(&setups, &zero);
	if (!count || !*count || !setup)
		return -1;
	chosen = hash_flow(flow) % *count & (BACKENDS - 1);

	there->source = flow->source;
	there->source_port = flow->source_port;
	there->destination = setup->backend[chosen];
	there->destination_port = setup->backend_port;
	there->address_delta = fold(sum32(there->destination) + sum32(~flow->destination));
	there->transport_delta = fold((__u32)there->address_delta + there->destination_port +
				      (__u16)~flow->destination_port);
	there->side = SIDE_BACK;
	there->counter = chosen;

	reply.source = there->destination;
	reply.source_port = there->destination_port;
	reply.destination = flow->source;
	reply.destination_port = flow->source_port;
	reply.protocol = flow->protocol;
	back.source = flow->destination;
	back.source_port = flow->destination_port;
	back.destination = flow->source;
	back.destination_port = flow->source_port;
	back.address_delta = ~there->address_delta;
	back.transport_delta = ~there->transport_delta;
	back.side = SIDE_FRONT;
	back.counter = chosen;

	if (bpf_map_update_elem(&connections, &reply, &back, BPF_ANY))
		return -1;
	return bpf_map_update_elem(&connections, flow, there, BPF_ANY);
}

static __always_inline int forward(struct headers *headers, const struct rewrite *rewrite)
{
	__u32 zero = 0, counter = rewrite->counter;
	struct setup *setup = bpf_map_lookup_elem(&setups, &zero);
	struct traffic *count = bpf_map_lookup_elem(&traffic, &counter);

	if (!setup || !count)
		return XDP_ABORTED;
	count->packets++;
	count->bytes += bpf_ntohs(headers->ip.tot_len);

	headers->ip.saddr = rewrite->source;
	headers->ip.daddr = rewrite->destination;
	headers->ip.ttl--;
	headers->ip.check = apply(headers->ip.check,
				  fold((__u32)rewrite->address_delta + (__u16)~bpf_htons(0x0100)));
	headers->udp.source = rewrite->source_port;
	headers->udp.dest = rewrite->destination_port;
	if (headers->udp.check) {
		headers->udp.check = apply(headers->udp.check, rewrite->transport_delta);
		if (!headers->udp.check)
			headers->udp.check = 0xffff;
	}
	__builtin_memcpy(&headers->ethernet, setup->ethernet[rewrite->side & 1], 12);
	return bpf_redirect_map(&ways_out, rewrite->side & 1, 0);
}

SEC("xdp.frags")
int lru(struct xdp_md *ctx)
{
	struct headers *headers = headers_of(ctx);
	struct rewrite fresh = {};
	struct rewrite *found;
	struct flow flow = {};

	if (!headers || headers->ip.frag_off & bpf_htons(0x3fff) || headers->ip.ttl <= 1)
		return XDP_PASS;
	flow.source = headers->ip.saddr;
	flow.destination = headers->ip.daddr;
	flow.source_port = headers->udp.source;
	flow.destination_port = headers->udp.dest;
	flow.protocol = headers->ip.protocol;
	found = bpf_map_lookup_elem(&connections, &flow);
	if (found)
		return forward(headers, found);
	if (connect(&flow, &fresh))
		return XDP_PASS;
	return forward(headers, &fresh);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
