/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the user host exports to Rust (user.rs); bindgen reads this file. */
#ifndef LB_USER_H
#define LB_USER_H

#include "abi.h"

/* Room before a frame for host_packet_grow_head(), as XDP has. */
#define LB_USER_HEADROOM 256

struct lb_user_region {
	void *base;
	__u64 stride;
	__u64 count;
};

/* One per thread that runs the core; regions may be shared. */
struct lb_user {
	struct lb_user_region region[LB_REGION_COUNT];
	struct lb_config config;
	__u32 slot;
	__u32 clock_set; /* now_ns is the clock, else CLOCK_MONOTONIC_COARSE */
	__u64 now_ns;
};

struct lb_user_frame {
	__u8 *buffer; /* LB_USER_HEADROOM bytes, then the frame, and nothing behind it */
	__u32 offset; /* of the frame in the buffer */
	__u32 length;
	__u32 ifindex;
	__u32 verdict; /* enum lb_verdict */
	__u32 slot;
	__u32 reason;
};

void lb_user_forward(const struct lb_user *user, struct lb_user_frame *frame);
__u32 lb_user_tick(const struct lb_user *user);

/* Where the core looks for published records (index.h). */
__u32 lb_user_filter_bit(const __u32 address[4], __be16 port, __u8 protocol, __u32 bits);
void lb_user_vip_lines(const __u32 address[4], __u64 seed, __u32 count, __u32 line[2]);
void lb_user_port_lines(__u64 key, __u64 seed, __u32 count, __u32 line[2]);

#endif
