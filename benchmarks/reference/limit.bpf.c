// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Bounds. `limit` rewrites the MAC addresses and redirects: no forwarder is faster here.
 * `cold_*` read one line of a table of lines and one entry of a table of entries besides, at
 * addresses that are a hash of the flow: what any exact table of that size has to wait for.
 * `empty` does nothing.
 */
#include "bench.h"

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

struct line {
	__u64 word[8];
};

/* Page-aligned, as a table's lines are: one cache line each. Sizes are set before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct line);
} lines SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct line);
} entries SEC(".maps");

/* Masks of the indices; a power of two - 1. */
const volatile __u32 line_mask;
const volatile __u32 entry_mask;

static __always_inline int send(struct headers *headers)
{
	__u32 zero = 0;
	struct setup *setup = bpf_map_lookup_elem(&setups, &zero);

	if (!setup)
		return XDP_ABORTED;
	__builtin_memcpy(&headers->ethernet, setup->ethernet[SIDE_BACK], 12);
	return bpf_redirect_map(&ways_out, SIDE_BACK, 0);
}

static __always_inline __u64 hash_flow(const struct headers *headers)
{
	__u64 hash = ((__u64)headers->ip.saddr << 32 | headers->ip.daddr) * 0x9e3779b97f4a7c15ULL;

	hash ^= hash >> 29;
	hash += (__u64)headers->udp.source << 16 | headers->udp.dest;
	hash *= 0xbf58476d1ce4e5b9ULL;
	return hash ^ hash >> 32;
}

SEC("xdp.frags")
int limit(struct xdp_md *ctx)
{
	struct headers *headers = headers_of(ctx);

	return headers ? send(headers) : XDP_PASS;
}

/* The entry is found by what the line holds (it holds 0). */
SEC("xdp.frags")
int cold_chain(struct xdp_md *ctx)
{
	struct headers *headers = headers_of(ctx);
	struct line *line, *entry;
	__u32 index;
	__u64 hash;

	if (!headers)
		return XDP_PASS;
	hash = hash_flow(headers);
	index = hash & line_mask;
	line = bpf_map_lookup_elem(&lines, &index);
	if (!line)
		return XDP_ABORTED;
	index = (hash + *(volatile __u64 *)&line->word[hash >> 61]) & entry_mask;
	entry = bpf_map_lookup_elem(&entries, &index);
	if (!entry)
		return XDP_ABORTED;
	if (*(volatile __u64 *)&entry->word[0])
		return XDP_DROP;
	return send(headers);
}

/* The entry is found by the hash alone: both lines are awaited at once. */
SEC("xdp.frags")
int cold_both(struct xdp_md *ctx)
{
	struct headers *headers = headers_of(ctx);
	struct line *line, *entry;
	__u32 index;
	__u64 hash;

	if (!headers)
		return XDP_PASS;
	hash = hash_flow(headers);
	index = hash & line_mask;
	line = bpf_map_lookup_elem(&lines, &index);
	index = hash & entry_mask;
	entry = bpf_map_lookup_elem(&entries, &index);
	if (!line || !entry)
		return XDP_ABORTED;
	if (*(volatile __u64 *)&line->word[hash >> 61] | *(volatile __u64 *)&entry->word[0])
		return XDP_DROP;
	return send(headers);
}

SEC("xdp.frags")
int empty(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* Sends what is injected at a link's far end across the link. */
SEC("xdp.frags")
int bounce(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
