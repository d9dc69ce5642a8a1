// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The redirector: the XDP program of interfaces that a worker in user space serves. It is an
 * object of its own, so that it loads where the verifier refuses the forwarder.
 */
#include "host_bpf.h"
#include "redirect.h"

SEC("xdp.frags")
int loxid_redirect(struct xdp_md *ctx)
{
	struct lb_packet packet = host_packet(ctx);

	lb_redirect(&packet);
	return packet.verdict;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
