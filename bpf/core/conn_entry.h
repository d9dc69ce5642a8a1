/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Entries of both families: where they lie, what they hold, whose keys they have. An entry of
 * IPv4 fills a cache line, one of IPv6 two; the core works with copies of one form (struct
 * lb_conn), in which an IPv4 address is a first word and three zeroes.
 */
#ifndef LB_CONN_ENTRY_H
#define LB_CONN_ENTRY_H

#include "flow.h"
#include "host.h"
#include "index.h"

/* What the entries of both families have alike: all behind the addresses. */
struct lb_conn_common {
	__be16 client_port;
	__be16 vip_port;
	__be16 source_port;
	__be16 backend_port;
	__u8 protocol;
	__u8 flags;
	__u16 service;
	__u32 backend_id;
	__u32 reverse;
	__u16 address_delta;
	__u16 transport_delta;
	__u64 reply;
	__u32 created;
	__u32 packets;
	__u64 bytes;
};

#define LB_CONN_PORTS4 offsetof(struct lb_conn4, client_port)
#define LB_CONN_PORTS6 offsetof(struct lb_conn6, client_port)
#define LB_COMMON_IS_AT(field)                                      \
	(offsetof(struct lb_conn_common, field) + LB_CONN_PORTS4 == \
		 offsetof(struct lb_conn4, field) &&                \
	 offsetof(struct lb_conn_common, field) + LB_CONN_PORTS6 == \
		 offsetof(struct lb_conn6, field))

_Static_assert(LB_COMMON_IS_AT(source_port) && LB_COMMON_IS_AT(backend_port) &&
		       LB_COMMON_IS_AT(protocol) && LB_COMMON_IS_AT(flags) &&
		       LB_COMMON_IS_AT(service) && LB_COMMON_IS_AT(backend_id) &&
		       LB_COMMON_IS_AT(reverse) && LB_COMMON_IS_AT(transport_delta) &&
		       LB_COMMON_IS_AT(reply) && LB_COMMON_IS_AT(created) &&
		       LB_COMMON_IS_AT(packets) && LB_COMMON_IS_AT(bytes),
	       "entries are alike behind their addresses");

/* The 64-bit words of an entry; those before `created` do not change. */
#define LB_CONN_WORDS(family) ((family) == LB_IPV4 ? 8 : 16)
#define LB_CONN_WORDS_KEPT(family) ((family) == LB_IPV4 ? 6 : 12)
/* The word of the ports; protocol, flags, service and backend are in the next. */
#define LB_CONN_WORD_PORTS(family) ((family) == LB_IPV4 ? 2 : 8)

_Static_assert(LB_CONN_PORTS4 == LB_CONN_WORD_PORTS(LB_IPV4) * sizeof(__u64) &&
		       LB_CONN_PORTS6 == LB_CONN_WORD_PORTS(LB_IPV6) * sizeof(__u64) &&
		       offsetof(struct lb_conn4, created) ==
			       LB_CONN_WORDS_KEPT(LB_IPV4) * sizeof(__u64) &&
		       offsetof(struct lb_conn6, created) ==
			       LB_CONN_WORDS_KEPT(LB_IPV6) * sizeof(__u64) &&
		       sizeof(struct lb_conn4) == LB_CONN_WORDS(LB_IPV4) * sizeof(__u64) &&
		       sizeof(struct lb_conn6) == LB_CONN_WORDS(LB_IPV6) * sizeof(__u64),
	       "the words of entries");
_Static_assert(offsetof(struct lb_conn4, client) == 0 && offsetof(struct lb_conn4, vip) == 4 &&
		       offsetof(struct lb_conn4, source) == 8 &&
		       offsetof(struct lb_conn4, backend) == 12 &&
		       offsetof(struct lb_conn6, client) == 0 &&
		       offsetof(struct lb_conn6, vip) == 16 &&
		       offsetof(struct lb_conn6, source) == 32 &&
		       offsetof(struct lb_conn6, backend) == 48,
	       "the addresses' order");

/* Lines of F words, and of R words, that a family has. */
static __always_inline __u32 lb_conn_lines(const enum lb_family family)
{
	return family == LB_IPV4 ? host_config()->conn_lines4 : host_config()->conn_lines6;
}

/* The first position of IPv6. */
static __always_inline __u32 lb_position_first6(void)
{
	return host_config()->conn_lines4 * LB_LINE_WORDS;
}

static __always_inline enum lb_family lb_position_family(__u32 position)
{
	return position < lb_position_first6() ? LB_IPV4 : LB_IPV6;
}

/* The entry of a position of the family, or NULL. */
static __always_inline void *lb_entry_at(const enum lb_family family, __u32 position)
{
	if (family == LB_IPV4)
		return host_region(LB_REGION_CONN4, position);
	return host_region(LB_REGION_CONN6, position - lb_position_first6());
}

/* The verifier wants a null check before any arithmetic: the compiler can't turn these around. */
static __always_inline void *lb_common_of(void *entry, __u32 ports)
{
	if (!entry)
		return NULL;
	return (char *)(unsigned long)host_opaque((unsigned long)entry) + ports;
}

/* What an entry of either family has behind its addresses, or NULL. */
static __always_inline struct lb_conn_common *lb_common_at(__u32 position)
{
	if (lb_position_family(position) == LB_IPV4)
		return lb_common_of(lb_entry_at(LB_IPV4, position), LB_CONN_PORTS4);
	return lb_common_of(lb_entry_at(LB_IPV6, position), LB_CONN_PORTS6);
}

/* The reply word of an entry, or NULL. */
static __always_inline __u64 *lb_conn_reply_at(__u32 position)
{
	struct lb_conn_common *entry = lb_common_at(position);

	return entry ? &entry->reply : NULL;
}

/* Counts a packet of a connection. */
static __always_inline void lb_conn_add(__u32 position, __u32 length)
{
	struct lb_conn_common *entry = lb_common_at(position);

	if (!entry)
		return;
	entry->packets++;
	entry->bytes += length;
}

/*
 * Makes a copy of an entry's first `words` words, which were read. Those of IPv4 are spread: an
 * address is one of four words then.
 */
static __always_inline void lb_conn_spread(const enum lb_family family, struct lb_conn *copy,
					   const __u64 *word, const int words)
{
	const int ports = LB_CONN_WORD_PORTS(family);
	__u64 *to = (__u64 *)copy;

#pragma GCC unroll 8
	for (int i = 0; i < LB_CONN_WORD_PORTS(LB_IPV6); i++) {
		if (family == LB_IPV6)
			to[i] = word[i];
		else
			to[i] = i % 2 ? 0 : (__u32)(word[i / 4] >> i / 2 % 2 * 32);
	}
	to += LB_CONN_WORD_PORTS(LB_IPV6);
#pragma GCC unroll 8
	for (int i = 0; i < words - ports; i++)
		to[i] = word[ports + i];
}

/* Copies the part of an entry that does not change. Returns a value made of all that was read. */
static __always_inline __u64 lb_conn_copy(const enum lb_family family, struct lb_conn *copy,
					  const void *entry)
{
	const int words = LB_CONN_WORDS_KEPT(family);
	__u64 word[LB_CONN_WORDS_KEPT(LB_IPV6)], all = 0;

#pragma GCC unroll 12
	for (int i = 0; i < words; i++) {
		word[i] = lb_load64(&((const __u64 *)entry)[i]);
		all |= word[i];
	}
	lb_conn_spread(family, copy, word, words);
	return all;
}

/* Writes an entry whole. */
static __always_inline void lb_entry_write(const enum lb_family family, void *entry,
					   const struct lb_conn *conn)
{
	const __u64 *from = (const __u64 *)conn;
	__u64 *to = entry;

	if (family == LB_IPV4) {
		lb_store64(to++, conn->client[0] | (__u64)conn->vip[0] << 32);
		lb_store64(to++, conn->source[0] | (__u64)conn->backend[0] << 32);
		from = (const __u64 *)&conn->client_port;
	}
	for (int i = family == LB_IPV4 ? 2 : 0; i < LB_CONN_WORDS(family); i++)
		lb_store64(to++, *from++);
}

/* The tuple of a connection's packets to its VIP. */
static __always_inline void lb_conn_request(const enum lb_family family, const struct lb_conn *conn,
					    struct lb_tuple *request)
{
	lb_address_copy(family, request->saddr, conn->client);
	lb_address_copy(family, request->daddr, conn->vip);
	request->sport = conn->client_port;
	request->dport = conn->vip_port;
	request->protocol = conn->protocol;
}

/* The tuple of its replies, as they come from the backend. */
static __always_inline void lb_conn_reply(const enum lb_family family, const struct lb_conn *conn,
					  struct lb_tuple *reply)
{
	lb_address_copy(family, reply->saddr, conn->backend);
	lb_address_copy(family, reply->daddr, conn->source);
	reply->sport = conn->backend_port;
	reply->dport = conn->source_port;
	reply->protocol = conn->protocol;
}

static __always_inline bool lb_conn_is_forward(const enum lb_family family,
					       const struct lb_conn *conn,
					       const struct lb_tuple *tuple)
{
	return lb_address_equal(family, conn->client, tuple->saddr) &&
	       lb_address_equal(family, conn->vip, tuple->daddr) &&
	       conn->client_port == tuple->sport && conn->vip_port == tuple->dport &&
	       conn->protocol == tuple->protocol;
}

static __always_inline bool lb_conn_is_reverse(const enum lb_family family,
					       const struct lb_conn *conn,
					       const struct lb_tuple *tuple)
{
	return lb_address_equal(family, conn->backend, tuple->saddr) &&
	       lb_address_equal(family, conn->source, tuple->daddr) &&
	       conn->backend_port == tuple->sport && conn->source_port == tuple->dport &&
	       conn->protocol == tuple->protocol;
}

static __always_inline __u64 lb_word_pair(__u32 low, __u32 high)
{
	return low | (__u64)high << 32;
}

/*
 * 0 if an entry has a tuple's key in a direction: only the key is read. *all is a value made of
 * all that was.
 */
static __always_inline __u64 lb_entry_differs(const enum lb_family family,
					      const enum lb_direction direction, const __u64 *entry,
					      const struct lb_tuple *tuple, __u64 *all)
{
	const bool forward = direction == LB_DIRECTION_FORWARD;
	/* The client's side of the entry, and the other. */
	const __u32 *near = forward ? tuple->saddr : tuple->daddr;
	const __u32 *far = forward ? tuple->daddr : tuple->saddr;
	__u32 ends = forward ? tuple->sport | (__u32)tuple->dport << 16 :
			       tuple->dport | (__u32)tuple->sport << 16;
	__u64 ports = lb_load64(&entry[LB_CONN_WORD_PORTS(family)]);
	__u64 rest = lb_load64(&entry[LB_CONN_WORD_PORTS(family) + 1]);
	__u64 differs = (__u32)(forward ? ports : ports >> 32) ^ ends;

	differs |= (__u8)rest ^ tuple->protocol;
	*all = ports | rest;
	if (family == LB_IPV4) {
		__u64 addresses = lb_load64(&entry[forward ? 0 : 1]);

		*all |= addresses;
		return differs | (addresses ^ lb_word_pair(near[0], far[0]));
	}
	entry += forward ? 0 : 4;
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		const __u32 *half = (i < 2 ? near : far) + i % 2 * 2;
		__u64 address = lb_load64(&entry[i]);

		*all |= address;
		/* One after another: all at once would not fit into the registers. */
		differs = host_opaque(differs | (address ^ lb_word_pair(half[0], half[1])));
	}
	return differs;
}

#endif
