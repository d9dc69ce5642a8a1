/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where a published record lies. User space places records with these very functions.
 *
 * The filter says "certainly not" from one bit: what is for no service leaves after two of
 * them. The other indexes give each key two candidate lines; the builder tries seeds until all
 * records fit. None of these hashes is secret: only what an operator configured is in them.
 *
 * What packets choose is hashed with lb_config.select_key:
 *	[0, 11)   selection: addend, client, VIP, ports, protocol; IPv4 has [0, 5)
 *	[16, 27)  fragments (fragment.h)
 *	[27, 32)  affinity: service, client (affinity.h)
 */
#ifndef LB_INDEX_H
#define LB_INDEX_H

#include "abi.h"

#define LB_MIX_A 0x9e3779b97f4a7c15ULL
#define LB_MIX_B 0xd6e8feb86659fd93ULL
#define LB_MIX_C 0xa0761d6478bd642fULL

enum lb_direction {
	LB_DIRECTION_FORWARD, /* from clients to backends */
	LB_DIRECTION_REVERSE,
};

static __always_inline __u32 lb_index_reduce(__u32 hash, __u32 count)
{
	return (__u32)((__u64)hash * count >> 32);
}

/*
 * The hash of a multilinear sum. The sum alone is linear: with clients and ports in a row, some
 * keys fill some lines twice as much as others.
 */
static __always_inline __u64 lb_sum_mix(__u64 sum)
{
	sum ^= sum >> 32;
	return sum * LB_MIX_A;
}

static __always_inline __u32 lb_sum_finish(__u64 sum)
{
	return (__u32)(lb_sum_mix(sum) >> 32);
}

static __always_inline __u64 lb_index_mix(const __u32 address[4])
{
	__u64 high = (__u64)address[2] | (__u64)address[3] << 32;
	__u64 low = (__u64)address[0] | (__u64)address[1] << 32;

	return low * LB_MIX_A ^ high * LB_MIX_C;
}

static __always_inline __u32 lb_filter_mix(__u64 address, __be16 port, __u8 protocol, __u32 bits)
{
	__u64 hash = (address ^ ((__u64)port << 8 | protocol)) * LB_MIX_B;

	return (__u32)(hash >> (64 - bits));
}

/* The bit of an endpoint in a bitmap of 2^bits. */
static __always_inline __u32 lb_filter_bit(const __u32 address[4], __be16 port, __u8 protocol,
					   __u32 bits)
{
	return lb_filter_mix(lb_index_mix(address), port, protocol, bits);
}

/* The same where words 1 to 3 are 0. */
static __always_inline __u32 lb_filter_bit4(__be32 address, __be16 port, __u8 protocol, __u32 bits)
{
	return lb_filter_mix((__u32)address * LB_MIX_A, port, protocol, bits);
}

/* The word of the filter region that holds a bit. */
static __always_inline __u32 lb_filter_word(__u32 bank, enum lb_direction direction, __u32 bit,
					    __u32 bits)
{
	return ((bank * 2 + direction) << (bits - 6)) + (bit >> 6);
}

static __always_inline void lb_index_lines(__u64 hash, __u32 count, __u32 line[2])
{
	hash ^= hash >> 29;
	hash *= LB_MIX_B;
	line[0] = lb_index_reduce((__u32)(hash >> 32), count);
	line[1] = lb_index_reduce((__u32)hash, count);
}

/* The two lines, within a bank, where the record of a VIP may be. An IPv4 address is word 0. */
static __always_inline void lb_vip_lines(const __u32 address[4], __u64 seed, __u32 count,
					 __u32 line[2])
{
	lb_index_lines(lb_index_mix(address) * seed, count, line);
}

/* The key of the record that covers the 2^block ports of which `port` is one. */
static __always_inline __u64 lb_port_key(__u32 vip, __u32 block, __u16 port, __u8 protocol)
{
	__u32 first = (__u32)port >> block << block;

	return (__u64)vip << 32 | block << 24 | first << 8 | protocol;
}

static __always_inline void lb_port_lines(__u64 key, __u64 seed, __u32 count, __u32 line[2])
{
	lb_index_lines(key * seed, count, line);
}

#endif
