/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The largest segment that an end of a TCP connection takes (RFC 9293, 3.7.1) is told in its SYN
 * or SYN+ACK. Where the way has less room than the ends know, a service has it lowered.
 */
#ifndef LB_MSS_H
#define LB_MSS_H

#include "checksum.h"
#include "conn_state.h"
#include "parse.h"

#define LB_TCP_OPTIONS_MAX 40
#define LB_TCP_OPTION_END 0
#define LB_TCP_OPTION_NONE 1 /* one byte, without a length */
#define LB_TCP_OPTION_MSS 2
#define LB_TCP_OPTION_MSS_BYTES 4

/* The offset of the option from the end of a TCP header without options, or LB_TCP_OPTIONS_MAX. */
static __always_inline __u32 lb_mss_find(const struct lb_packet *p, const struct tcphdr *tcp,
					 __u32 length)
{
	const __u8 *options = (const void *)(tcp + 1);
	__u64 offset = 0;

	for (int i = 0; i < LB_TCP_OPTIONS_MAX; i++) {
		const __u8 *option;

		/* All ways that lead here are one to the verifier. */
		offset = host_forget(offset, length) & 63;
		option = options + offset;
		if (offset + LB_TCP_OPTION_MSS_BYTES > length ||
		    (void *)(option + LB_TCP_OPTION_MSS_BYTES) > p->data_end)
			break;
		if (option[0] == LB_TCP_OPTION_NONE) {
			offset++;
			continue;
		}
		if (option[0] == LB_TCP_OPTION_MSS && option[1] == LB_TCP_OPTION_MSS_BYTES)
			return offset;
		if (option[0] == LB_TCP_OPTION_END || option[1] < 2 ||
		    option[1] > LB_TCP_OPTIONS_MAX)
			break;
		offset += option[1];
	}
	return LB_TCP_OPTIONS_MAX;
}

/* Lowers the MSS at an offset, which may be odd: then its bytes are swapped in the sum. */
static __always_inline void lb_mss_lower(const struct lb_packet *p, struct tcphdr *tcp,
					 __u32 offset, __u16 mss)
{
	__u8 *option = (void *)(tcp + 1) + (offset & 63);
	__u16 told, delta;

	if ((void *)(option + LB_TCP_OPTION_MSS_BYTES) > p->data_end)
		return;
	told = option[2] << 8 | option[3];
	if (told <= mss)
		return;
	delta = lb_sum_fold((__u64)(__u16)~lb_order16(told) + lb_order16(mss));
	if (offset & 1)
		delta = lb_order16(delta);
	option[2] = mss >> 8;
	option[3] = mss & 0xff;
	tcp->check = lb_checksum_apply(tcp->check, delta);
}

static __always_inline void lb_mss_clamp_packet(const enum lb_family family,
						const struct lb_packet *p, struct lb_view *view,
						__u16 mss)
{
	struct tcphdr *tcp;
	__u32 bytes, offset;

	if (!lb_parse_ip(family, p, view) || view->fragment == LB_FRAGMENT_LATER ||
	    view->tuple.protocol != IPPROTO_TCP || !lb_parse_transport(p, view) ||
	    !(view->tcp_flags & LB_TCP_SYN))
		return;
	tcp = view->transport;
	if ((void *)(tcp + 1) > p->data_end)
		return;
	bytes = tcp->doff * 4;
	if (bytes < sizeof(*tcp) || view->header + bytes > view->length)
		return;
	offset = lb_mss_find(p, tcp, bytes - sizeof(*tcp));
	if (offset < LB_TCP_OPTIONS_MAX)
		lb_mss_lower(p, tcp, offset, mss);
}

/* Lowers the MSS that a SYN tells to mss, if it tells a larger one. */
LB_SEAM int lb_mss_clamp(lb_frame *frame, __u32 mss)
{
	struct lb_packet p = host_open(frame);
	struct lb_view view = {};

	if (!lb_parse_link(&p, &view.link))
		return 0;
	if (view.link.protocol == lb_order16(ETH_P_IP))
		lb_mss_clamp_packet(LB_IPV4, &p, &view, mss);
	else if (view.link.protocol == lb_order16(ETH_P_IPV6))
		lb_mss_clamp_packet(LB_IPV6, &p, &view, mss);
	return 0;
}

#endif
