/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The memory that the fuzzed core works on: each region is an allocation of its own, so that the
 * address sanitizer sees its ends, and what is around a frame is out of bounds.
 */
#ifndef LB_FUZZ_MEMORY_H
#define LB_FUZZ_MEMORY_H

#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

#include "host_user.h"

/* The headroom is out of bounds until the core asks for it, and what it takes away is again. */
static inline bool fuzz_grow_head(struct lb_packet *packet, __s32 bytes)
{
	char *start = packet->data;

	if (!host_packet_grow_head(packet, bytes))
		return false;
	if (bytes > 0)
		__asan_unpoison_memory_region(packet->data, bytes);
	else
		__asan_poison_memory_region(start, -bytes);
	return true;
}

/* What was cut off is out of bounds. */
static inline bool fuzz_trim(struct lb_packet *packet, __u32 length)
{
	char *end = packet->data_end;

	if (!host_packet_trim(packet, length))
		return false;
	__asan_poison_memory_region(packet->data_end, end - (char *)packet->data_end);
	return true;
}

#define host_packet_grow_head fuzz_grow_head
#define host_packet_trim fuzz_trim
#include "conn_tend.h"
#include "forward.h"
#include "host_user_stage.h"

static struct lb_user fuzz_user;
static void *fuzz_template[LB_REGION_COUNT];

static size_t fuzz_stride(enum lb_region region)
{
	switch (region) {
	case LB_REGION_CONTROL:
		return sizeof(struct lb_control);
	case LB_REGION_BANKS:
		return sizeof(struct lb_bank);
	case LB_REGION_VIPS:
		return sizeof(struct lb_vip_line);
	case LB_REGION_PORTS:
		return sizeof(struct lb_port_line);
	case LB_REGION_SERVICES:
		return sizeof(struct lb_service);
	case LB_REGION_ROUTES:
		return sizeof(struct lb_route_node);
	case LB_REGION_MEMBERS:
		return sizeof(struct lb_member);
	case LB_REGION_SOURCES:
		return sizeof(struct lb_boundary);
	case LB_REGION_BACKENDS:
		return sizeof(struct lb_backend);
	case LB_REGION_INTERFACES:
		return sizeof(struct lb_interface);
	case LB_REGION_CPUS:
		return sizeof(struct lb_cpu);
	case LB_REGION_SERVICE_STATS:
	case LB_REGION_BACKEND_STATS:
		return sizeof(struct lb_traffic);
	case LB_REGION_CONN_FORWARD:
	case LB_REGION_CONN_REVERSE:
	case LB_REGION_FRAGMENTS:
		return sizeof(struct lb_line);
	case LB_REGION_CONN4:
		return sizeof(struct lb_conn4);
	case LB_REGION_CONN6:
		return sizeof(struct lb_conn6);
	case LB_REGION_AFFINITY:
		return sizeof(struct lb_affinity_line);
	case LB_REGION_SCRATCH:
		return sizeof(struct lb_scratch);
	default:
		return sizeof(__u64);
	}
}

static size_t fuzz_count(enum lb_region region)
{
	const struct lb_config *config = &fuzz_user.config;

	switch (region) {
	case LB_REGION_CONTROL:
		return 1;
	case LB_REGION_BANKS:
		return LB_BANKS;
	case LB_REGION_FILTER:
		return LB_BANKS * 2 << (config->filter_bits - 6);
	case LB_REGION_VIPS:
		return LB_BANKS * config->vip_lines;
	case LB_REGION_PORTS:
		return LB_BANKS * config->port_lines;
	case LB_REGION_SERVICES:
		return LB_BANKS * config->max_services;
	case LB_REGION_ROUTES:
		return LB_BANKS * config->route_nodes;
	case LB_REGION_SLOTS:
		return config->slot_words;
	case LB_REGION_MEMBERS:
		return config->members;
	case LB_REGION_SOURCES:
		return config->sources;
	case LB_REGION_HOPS:
		return config->max_hops;
	case LB_REGION_INTERFACES:
		return LB_MAX_INTERFACES;
	case LB_REGION_CPUS:
	case LB_REGION_SCRATCH:
		return config->cpu_slots;
	case LB_REGION_BACKENDS:
	case LB_REGION_LOADS:
	case LB_REGION_BACKEND_STATS:
		return config->max_backends;
	case LB_REGION_CURSORS:
	case LB_REGION_SERVICE_STATS:
		return config->max_services;
	case LB_REGION_CONN4:
		return config->conn_lines4 * LB_LINE_WORDS;
	case LB_REGION_CONN6:
		return config->conn_lines6 * LB_LINE_WORDS;
	case LB_REGION_AFFINITY:
		return config->affinity_lines;
	case LB_REGION_SOURCE_STAMPS:
		return config->stamp_words;
	case LB_REGION_FRAGMENTS:
		return config->fragment_lines;
	default:
		return config->conn_lines4 + config->conn_lines6;
	}
}

/* Makes regions of the sizes that the config says. */
static void fuzz_allocate(void)
{
	for (int i = 0; i < LB_REGION_COUNT; i++) {
		struct lb_user_region *region = &fuzz_user.region[i];

		region->stride = fuzz_stride(i);
		region->count = fuzz_count(i);
		region->base = calloc(region->count, region->stride);
	}
}

/* Keeps what the regions hold, for fuzz_restore(). */
static void fuzz_keep(void)
{
	for (int i = 0; i < LB_REGION_COUNT; i++) {
		size_t size = fuzz_user.region[i].stride * fuzz_user.region[i].count;

		fuzz_template[i] = malloc(size);
		memcpy(fuzz_template[i], fuzz_user.region[i].base, size);
	}
}

static void fuzz_restore(void)
{
	for (int i = 0; i < LB_REGION_COUNT; i++)
		memcpy(fuzz_user.region[i].base, fuzz_template[i],
		       fuzz_user.region[i].stride * fuzz_user.region[i].count);
}

/* True if the regions hold what was kept; what a packet leaves in its scratch is nobody's. */
static __attribute__((unused)) bool fuzz_is_kept(void)
{
	for (int i = 0; i < LB_REGION_COUNT; i++)
		if (i != LB_REGION_SCRATCH &&
		    memcmp(fuzz_user.region[i].base, fuzz_template[i],
			   fuzz_user.region[i].stride * fuzz_user.region[i].count))
			return false;
	return true;
}

#endif
