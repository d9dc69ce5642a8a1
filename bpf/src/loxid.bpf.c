// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The XDP program. */
#include "host_bpf.h"
#include "forward.h"

SEC("xdp.frags")
int loxid_forward(struct xdp_md *ctx)
{
	struct lb_packet packet = host_packet(ctx);

	lb_forward(&packet);
	return packet.verdict;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
