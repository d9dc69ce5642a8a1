// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The driver is what BPF_PROG_TEST_RUN executes. It writes the headers of the next flow into
 * the frame, whatever the last contestant left there, and tail-calls the contestant. Where
 * none is in the program array the frame goes to the stack: that is how the kernel contends.
 * Each contestant pays the same for the driver.
 *
 * Flows come in a scrambled order, so that neither table nor prefetcher sees a stride; and in
 * another one than when they were established, so that entries aren't met as they were laid.
 */
#include "bench.h"

#define TEMPLATE_WORDS 6 /* to the end of IPv4's headers */
#define TEMPLATE_WORDS6 8
#define CHUNK_SHIFT 14
#define STAMPS 2048

struct run {
	__u64 template[TEMPLATE_WORDS6]; /* the frame's first bytes; source and checksums 0 */
	__u64 ip_sum; /* unfolded, without the source address */
	__u64 udp_sum; /* unfolded, without source address and port */
	__u64 next; /* number of the next packet */
	__u64 mask; /* number of flows - 1; a power of two - 1 */
	__u64 shift; /* half of the mask's bits */
	__u64 order; /* an odd number: which permutation */
	__u64 sent; /* packets since user space wrote 0 */
	__u64 stamp[STAMPS]; /* CLOCK_MONOTONIC at each 2^CHUNK_SHIFT packets */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct run);
} runs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} contestant SEC(".maps");

/* A bijection of 0..mask. */
static __always_inline __u64 scramble(__u64 number, const struct run *run)
{
	number = (number * run->order) & run->mask;
	number ^= number >> run->shift;
	number = (number * 0x85ebca6b) & run->mask;
	number ^= number >> run->shift;
	return number;
}

/* 10.64.0.0/14, ports 1024 to 17407: 2^32 flows. */
static __always_inline void write_flow(struct headers *headers, struct run *run, __u64 flow)
{
	__be32 address = bpf_htonl(0x0a400000 | (flow & 0x3ffff));
	__be16 port = bpf_htons(1024 + ((flow >> 18) & 0x3fff));
	__u32 sum = (address & 0xffff) + (address >> 16);

	headers->ip.saddr = address;
	headers->ip.check = ~fold(run->ip_sum + sum);
	headers->udp.source = port;
	headers->udp.check = ~fold(run->udp_sum + sum + port);
	if (!headers->udp.check)
		headers->udp.check = 0xffff;
}

/* As many flows, from addresses whose last word is that of the IPv4 ones. */
static __always_inline void write_flow6(struct headers6 *headers, struct run *run, __u64 flow)
{
	__be32 address = bpf_htonl(0x0a400000 | (flow & 0x3ffff));
	__be16 port = bpf_htons(1024 + ((flow >> 18) & 0x3fff));
	__u32 sum = (address & 0xffff) + (address >> 16);

	headers->ip.saddr.s6_addr32[3] = address;
	headers->udp.source = port;
	headers->udp.check = ~fold(run->udp_sum + sum + port);
	if (!headers->udp.check)
		headers->udp.check = 0xffff;
}

/* Reads the clock at each chunk. */
static __always_inline void stamp(struct run *run)
{
	__u64 sent = run->sent++;

	if (!(sent & ((1 << CHUNK_SHIFT) - 1)))
		run->stamp[(sent >> CHUNK_SHIFT) & (STAMPS - 1)] = bpf_ktime_get_ns();
}

SEC("xdp.frags")
int bench_drive(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	__u32 zero = 0;
	struct run *run = bpf_map_lookup_elem(&runs, &zero);
	__u64 *words = data;
	int i;

	if (!run || data + TEMPLATE_WORDS * 8 > data_end)
		return XDP_ABORTED;
#pragma unroll
	for (i = 0; i < TEMPLATE_WORDS; i++)
		words[i] = run->template[i];
	write_flow(data, run, scramble(run->next++, run));
	stamp(run);
	bpf_tail_call(ctx, &contestant, 0);
	return XDP_PASS;
}

SEC("xdp.frags")
int bench_drive6(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	__u32 zero = 0;
	struct run *run = bpf_map_lookup_elem(&runs, &zero);
	__u64 *words = data;
	int i;

	if (!run || data + TEMPLATE_WORDS6 * 8 > data_end)
		return XDP_ABORTED;
#pragma unroll
	for (i = 0; i < TEMPLATE_WORDS6; i++)
		words[i] = run->template[i];
	write_flow6(data, run, scramble(run->next++, run));
	stamp(run);
	bpf_tail_call(ctx, &contestant, 0);
	return XDP_PASS;
}

/* On both interfaces of the balancer: runs the contestant on what the sinks send back. */
SEC("xdp.frags")
int bench_receive(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &contestant, 0);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
