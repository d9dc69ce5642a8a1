/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The other way through: what the core would do anything about but pass it goes to a worker in
 * user space, which runs the core over it; the rest goes to the stack at once. Where the worker
 * is missing, the former is dropped: handed to the stack, a VIP of the box's own would answer it
 * with a reset and end connections that live.
 *
 * Who gets a packet counts it: what is asked is counted by the worker alone.
 */
#ifndef LB_REDIRECT_H
#define LB_REDIRECT_H

#include "sift.h"

/* Gives a packet to the worker of its queue; false: there is none. */
static __always_inline bool lb_ask(struct lb_packet *p)
{
	/* Queues are the device's, whatever tags a frame has. */
	return host_ask(p, lb_interface_find(p->ifindex, 0));
}

/*
 * Is user space asked about packets that end in a reason? The first look is of a constant, which
 * the verifier knows: where no reason is marked, nothing of this is left.
 */
static __always_inline bool lb_is_asked(__u32 reason)
{
	return host_config()->ask && host_config()->ask >> (reason & 63) & 1;
}

/* Passes a frame, or gives it to a worker, or drops it; the verdict is in the packet. */
static __always_inline void lb_redirect(struct lb_packet *p)
{
	struct lb_cpu *cpu = host_region(LB_REGION_CPUS, host_slot());
	struct lb_flow *flow = lb_flow_scratch();
	__u32 reason;

	host_pass(p);
	if (!cpu || !flow)
		return;
	reason = lb_sift(p, flow, LB_SIFT_REMEMBERS);
	if (reason == LB_SIFT_ASK) {
		if (lb_ask(p))
			return;
		host_drop(p);
		reason = LB_REASON_NO_WORKER;
	}
	cpu->rx++;
	if (reason < LB_REASON_COUNT)
		cpu->reason[reason]++;
}

#endif
