// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The XDP program. */
#include "host_bpf.h"

SEC("xdp.frags")
int loxid_forward(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
