/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where a packet goes on in user space: a call. Include it after the core. */
#ifndef LB_HOST_USER_STAGE_H
#define LB_HOST_USER_STAGE_H

#include "forward.h"
#include "host_user.h"

static void host_stage_run(struct lb_packet *packet, enum lb_stage stage)
{
	switch (stage) {
	case LB_STAGE_KNOWN4:
		lb_forward_known4(packet);
		break;
	case LB_STAGE_KNOWN6:
		lb_forward_known6(packet);
		break;
	case LB_STAGE_FIRST4:
		lb_forward_first(LB_IPV4, packet);
		break;
	case LB_STAGE_FIRST6:
		lb_forward_first(LB_IPV6, packet);
		break;
	case LB_STAGE_ICMP4:
		lb_forward_icmp(LB_IPV4, packet);
		break;
	case LB_STAGE_ICMP6:
		lb_forward_icmp(LB_IPV6, packet);
		break;
	case LB_STAGE_ANSWER:
		lb_forward_answer(packet);
		break;
	case LB_STAGE_COUNT:
		break;
	}
}

#endif
