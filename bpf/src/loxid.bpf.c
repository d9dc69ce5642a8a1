// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The XDP program, and what it goes on with (enum lb_stage). */
#include "host_bpf.h"
#include "forward.h"

SEC("xdp.frags")
int loxid_first(struct xdp_md *ctx)
{
	struct lb_packet packet = host_packet(ctx);

	lb_forward_first(&packet);
	return packet.verdict;
}

SEC("xdp.frags")
int loxid_icmp(struct xdp_md *ctx)
{
	struct lb_packet packet = host_packet(ctx);

	lb_forward_icmp(&packet);
	return packet.verdict;
}

/*
 * Filled by libbpf at load. It must stay pinned while the program runs: the kernel empties an
 * array of programs that no user refers to.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, LB_STAGE_COUNT);
	__type(key, __u32);
	__array(values, int(struct xdp_md *));
} stages SEC(".maps") = {
	.values = { [LB_STAGE_FIRST] = (void *)&loxid_first,
		    [LB_STAGE_ICMP] = (void *)&loxid_icmp },
};

static __always_inline bool host_continue(struct lb_packet *packet, enum lb_stage stage)
{
	/* Constant indexes become direct jumps. */
	if (stage == LB_STAGE_FIRST)
		bpf_tail_call_static(packet->host, &stages, LB_STAGE_FIRST);
	else
		bpf_tail_call_static(packet->host, &stages, LB_STAGE_ICMP);
	return false;
}

SEC("xdp.frags")
int loxid_forward(struct xdp_md *ctx)
{
	struct lb_packet packet = host_packet(ctx);

	lb_forward(&packet);
	return packet.verdict;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
