// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The XDP program, and what it goes on with (enum lb_stage). */
#include "host_bpf.h"
#include "forward.h"

SEC("xdp.frags")
int loxid_known4(struct xdp_md *ctx)
{
	struct lb_packet packet = host_packet(ctx);

	lb_forward_known4(&packet);
	return packet.verdict;
}

SEC("xdp.frags")
int loxid_known6(struct xdp_md *ctx)
{
	struct lb_packet packet = host_packet(ctx);

	lb_forward_known6(&packet);
	return packet.verdict;
}

SEC("xdp.frags")
int loxid_first4(struct xdp_md *ctx)
{
	struct lb_packet packet = host_packet(ctx);

	lb_forward_first(LB_IPV4, &packet);
	return packet.verdict;
}

SEC("xdp.frags")
int loxid_first6(struct xdp_md *ctx)
{
	struct lb_packet packet = host_packet(ctx);

	lb_forward_first(LB_IPV6, &packet);
	return packet.verdict;
}

SEC("xdp.frags")
int loxid_icmp4(struct xdp_md *ctx)
{
	struct lb_packet packet = host_packet(ctx);

	lb_forward_icmp(LB_IPV4, &packet);
	return packet.verdict;
}

SEC("xdp.frags")
int loxid_icmp6(struct xdp_md *ctx)
{
	struct lb_packet packet = host_packet(ctx);

	lb_forward_icmp(LB_IPV6, &packet);
	return packet.verdict;
}

SEC("xdp.frags")
int loxid_answer(struct xdp_md *ctx)
{
	struct lb_packet packet = host_packet(ctx);

	lb_forward_answer(&packet);
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
	.values = { 
		[LB_STAGE_KNOWN4] = (void *)&loxid_known4,
		[LB_STAGE_KNOWN6] = (void *)&loxid_known6,
		[LB_STAGE_FIRST4] = (void *)&loxid_first4,
		[LB_STAGE_FIRST6] = (void *)&loxid_first6,
		[LB_STAGE_ICMP4] = (void *)&loxid_icmp4,
		[LB_STAGE_ICMP6] = (void *)&loxid_icmp6,
		    [LB_STAGE_ANSWER] = (void *)&loxid_answer,
	},
};

/* Constant indexes become direct jumps. */
static __always_inline bool host_continue(struct lb_packet *packet, enum lb_stage stage)
{
	switch (stage) {
	case LB_STAGE_KNOWN4:
		bpf_tail_call_static(packet->host, &stages, LB_STAGE_KNOWN4);
		break;
	case LB_STAGE_KNOWN6:
		bpf_tail_call_static(packet->host, &stages, LB_STAGE_KNOWN6);
		break;
	case LB_STAGE_FIRST4:
		bpf_tail_call_static(packet->host, &stages, LB_STAGE_FIRST4);
		break;
	case LB_STAGE_FIRST6:
		bpf_tail_call_static(packet->host, &stages, LB_STAGE_FIRST6);
		break;
	case LB_STAGE_ICMP4:
		bpf_tail_call_static(packet->host, &stages, LB_STAGE_ICMP4);
		break;
	case LB_STAGE_ICMP6:
		bpf_tail_call_static(packet->host, &stages, LB_STAGE_ICMP6);
		break;
	case LB_STAGE_ANSWER:
		bpf_tail_call_static(packet->host, &stages, LB_STAGE_ANSWER);
		break;
	default:
		break;
	}
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
