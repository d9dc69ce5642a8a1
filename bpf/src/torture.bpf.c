// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The kernel's part in the torture of the connection table (tests/torture.rs). */
#include "host_bpf.h"
#include "../tests/torture/flow.h"

/* One runner by CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_torture);
} runners SEC(".maps");

SEC("xdp.frags")
int torture(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct lb_torture *t = bpf_map_lookup_elem(&runners, &zero);

	(void)ctx;
	if (!t)
		return XDP_ABORTED;
	if (!t->random) {
		t->slot = bpf_get_smp_processor_id();
		t->random = bpf_ktime_get_ns() | 1;
	}
	for (int i = 0; i < 16; i++)
		lb_torture_operate(t);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
