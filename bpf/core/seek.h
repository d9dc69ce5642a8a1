/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The flow of a packet that an ICMP error quotes. It is looked for behind a seam: both it and what
 * is done with an error need much stack, and the caller's is free meanwhile.
 */
#ifndef LB_SEEK_H
#define LB_SEEK_H

#include "passage.h"

#define LB_SEEK_FOUND 256 /* plus enum lb_direction; less: why not, enum lb_reason */

static __always_inline int lb_flow_sought(const enum lb_family family, struct lb_flow *flow)
{
	struct lb_passage x = { .flow = flow };
	enum lb_reason reason;

	if (!lb_flow_find(family, &x, &flow->tuple, &reason))
		return reason;
	flow->conn.family = family;
	flow->conn.position = x.found.position;
	return LB_SEEK_FOUND + x.direction;
}

LB_SEAM int lb_flow_seek4(struct lb_flow *flow)
{
	return flow ? lb_flow_sought(LB_IPV4, flow) : LB_REASON_INTERNAL;
}

LB_SEAM int lb_flow_seek6(struct lb_flow *flow)
{
	return flow ? lb_flow_sought(LB_IPV6, flow) : LB_REASON_INTERNAL;
}

/* Finds the connection of x->flow->tuple; else false, and *reason says what a packet would be. */
static __always_inline bool lb_flow_seek(const enum lb_family family, struct lb_passage *x,
					 enum lb_reason *reason)
{
	__u32 result = family == LB_IPV6 ? lb_flow_seek6(x->flow) : lb_flow_seek4(x->flow);

	*reason = result & (LB_SEEK_FOUND - 1);
	if (result < LB_SEEK_FOUND)
		return false;
	x->direction = result & 1;
	x->found.position = x->flow->conn.position;
	return true;
}

#endif
