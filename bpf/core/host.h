/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the core asks of its host. src/host_bpf.h answers it in the kernel, src/host_user.h in
 * user space; a program includes one of them and then the core. The core calls nothing else: no
 * bpf_*, no libc, no global.
 *
 * A host_* function is the host's; lb_load64() and its kin are the host's, too, because memory
 * order differs: in BPF only read-modify-writes order anything, in user space each says how.
 */
#ifndef LB_HOST_H
#define LB_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "abi.h"

/* The kernel's headers define it without the attribute. */
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define lb_likely(condition) __builtin_expect(!!(condition), 1)
#define lb_unlikely(condition) __builtin_expect(!!(condition), 0)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "word layouts assume little endian");

/* What becomes of a packet; the values are those of enum xdp_action. */
enum lb_verdict {
	LB_VERDICT_DROP = 1,
	LB_VERDICT_PASS = 2,
	LB_VERDICT_TX = 3, /* out of the interface it came from */
	LB_VERDICT_REDIRECT = 4, /* out of another interface */
};

/* data and data_end delimit what may be touched; a frame may go on in fragments behind it. */
struct lb_packet {
	void *data;
	void *data_end;
	__u32 ifindex; /* where it came from */
	__u32 verdict; /* enum lb_verdict */
	__u32 reason; /* enum lb_reason */
	__u32 slot; /* interface slot of the way out, after host_transmit() */
	void *host; /* the host's own */
};

/*
 * The element, or NULL when the index is out of range. The region must be a constant: in BPF
 * this is one inlined array look-up.
 */
static __always_inline void *host_region(enum lb_region region, __u32 index);

/* Constant while a program is loaded: in BPF a load of rodata, whose value the verifier knows. */
static __always_inline const volatile struct lb_config *host_config(void);

/* The caller's own row in per-CPU regions: CPU number, or a worker's slot behind the CPUs. */
static __always_inline __u32 host_slot(void);

/* CLOCK_MONOTONIC_COARSE >> LB_TICK_SHIFT. */
static __always_inline __u32 host_tick(void);

/*
 * The same, for each packet: the kernel reads its clock once in 64 jiffies and keeps the tick in
 * the control region, because a call costs more than all else about time (the return does, with
 * mitigations on).
 */
static __always_inline __u32 host_tick_kept(struct lb_control *control);

/* What a packet goes on with where it leaves the way of established untagged IPv4 flows. */
enum lb_stage {
	LB_STAGE_KNOWN4, /* known IPv4 flows: tagged frames, and fragments */
	LB_STAGE_KNOWN6, /* known IPv6 flows */
	LB_STAGE_FIRST4, /* the first packet of a flow */
	LB_STAGE_FIRST6,
	LB_STAGE_ICMP4,
	LB_STAGE_ICMP6, /* and neighbour discovery */
	LB_STAGE_ANSWER, /* a dropped packet becomes its answer */
	LB_STAGE_COUNT,
};

/*
 * Ends the packet in another stage: in BPF by a tail call, which returns only when it failed
 * (false). A stage has a stack of its own, and the established flow's way needs no call.
 */
static __always_inline bool host_continue(struct lb_packet *packet, enum lb_stage stage);

/*
 * A frame crosses a seam as the host's own lb_frame, which both hosts define: host_frame() of a
 * packet, host_open() on the other side, host_close() before it returns. The verdict crosses in
 * the result.
 */

/* Bytes of the whole frame, fragments included. */
static __always_inline __u32 host_packet_length(const struct lb_packet *packet);

/* Cuts the frame to length bytes. Derive all pointers again, also after failure. */
static __always_inline bool host_packet_trim(struct lb_packet *packet, __u32 length);

/* Makes room before the frame, or takes bytes away. Derive all pointers again, also after failure. */
static __always_inline bool host_packet_grow_head(struct lb_packet *packet, __s32 bytes);

/*
 * Sends the packet out of an interface when the core returns; false when the interface isn't
 * attached. The verdict is left in the packet.
 */
static __always_inline bool host_transmit(struct lb_packet *packet, __u32 slot, __u32 ifindex);

/* Sends the packet out of where it came from. */
static __always_inline bool host_transmit_back(struct lb_packet *packet)
{
	packet->verdict = LB_VERDICT_TX;
	return true;
}

/* To the box's own stack, or nowhere. */
static __always_inline void host_pass(struct lb_packet *packet)
{
	packet->verdict = LB_VERDICT_PASS;
}

static __always_inline void host_drop(struct lb_packet *packet)
{
	packet->verdict = LB_VERDICT_DROP;
}

/*
 * Gives the packet to the worker in user space that serves the queue it came by; false: there is
 * none, and the verdict is what it was. slot is the row of the device. In user space nobody is asked.
 */
static __always_inline bool host_ask(struct lb_packet *packet, __u32 slot);

/*
 * Returns value, of which the BPF verifier knows nothing any more: paths that differ only in it
 * then converge. unknown is any value that the verifier doesn't know.
 */
static __always_inline __u64 host_forget(__u64 value, __u64 unknown);

/* Returns value; the BPF compiler can't make a branch of what is computed with it. */
static __always_inline __u64 host_opaque(__u64 value);

/* Loads acquire, stores release in user space; neither orders anything in BPF on aarch64. */
static __always_inline __u64 lb_load64(const __u64 *at);
static __always_inline void lb_store64(__u64 *at, __u64 value);

/* Compare and swap: returns what was there. A full barrier in both hosts. */
static __always_inline __u64 lb_cas64(__u64 *at, __u64 expected, __u64 desired);

/* Returns what was there before. A full barrier in both hosts. */
static __always_inline __u64 lb_fetch_add64(__u64 *at, __u64 addend);
static __always_inline __u32 lb_fetch_add32(__u32 *at, __u32 addend);

/*
 * Keeps the compiler, and in user space the CPU, from moving accesses across. In BPF the CPU is
 * held by read-modify-writes only: put one before it where that matters.
 */
static __always_inline void lb_barrier(void);

/*
 * Returns pointer, loads through which happen after the loads that gave `loaded`: an address
 * dependency where the CPU may reorder loads.
 */
static __always_inline void *lb_after(void *pointer, __u64 loaded);

/*
 * LB_SEAM marks a real seam: in BPF a global function, verified once by itself. Arguments are
 * scalars or pointers to sized structs (to be checked against NULL); the result is an int.
 * The hosts define it.
 */

#endif
