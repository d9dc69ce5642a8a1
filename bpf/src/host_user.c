// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The core compiled natively, and what Rust calls of it. */
#include "host_user.h"
#include "index.h"

/* The order of forwarding is forward.h's. */
#if __has_include("forward.h") && __has_include("conn.h")
#include "forward.h"
#else
static __always_inline void lb_forward(struct lb_packet *packet)
{
	packet->verdict = LB_VERDICT_PASS;
	packet->reason = LB_REASON_NOT_SERVICE;
}
#endif

void lb_user_forward(const struct lb_user *user, struct lb_user_frame *frame)
{
	__u8 *data = frame->buffer + frame->offset;
	struct lb_packet packet = {
		.data = data,
		.data_end = data + frame->length,
		.ifindex = frame->ifindex,
		.host = frame,
	};

	host_user_current = user;
	lb_forward(&packet);
	frame->offset = (__u8 *)packet.data - frame->buffer;
	frame->length = (__u8 *)packet.data_end - (__u8 *)packet.data;
	frame->verdict = packet.verdict;
	frame->slot = packet.slot;
	frame->reason = packet.reason;
}

__u32 lb_user_tick(const struct lb_user *user)
{
	host_user_current = user;
	return host_tick();
}

__u32 lb_user_filter_bit(const __u32 address[4], __be16 port, __u8 protocol, __u32 bits)
{
	return lb_filter_bit(address, port, protocol, bits);
}

void lb_user_vip_lines(const __u32 address[4], __u64 seed, __u32 count, __u32 line[2])
{
	lb_vip_lines(address, seed, count, line);
}

void lb_user_port_lines(__u64 key, __u64 seed, __u32 count, __u32 line[2])
{
	lb_port_lines(key, seed, count, line);
}
