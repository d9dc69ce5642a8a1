/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Only a datagram's first fragment carries ports. When it is forwarded it leaves them here for
 * the rest, in one atomic word: a keyed 32-bit hash of (addresses, protocol, identification)
 * above, the ports below. A stale word can only lead fragments to a flow of the same two hosts,
 * where reassembly drops them.
 */
#ifndef LB_FRAGMENT_H
#define LB_FRAGMENT_H

#include "parse.h"

/* Strongly universal over 32-bit inputs: multiply by secret odd words, keep the top half. */
static __always_inline __u32 lb_fragment_hash(const enum lb_family family,
					      const struct lb_view *view)
{
	const volatile __u64 *key = host_config()->select_key + 16;
	const struct lb_tuple *tuple = &view->tuple;
	__u64 sum = key[0];

	for (int i = 0; i < (family == LB_IPV6 ? 4 : 1); i++) {
		sum += key[1 + i] * tuple->saddr[i];
		sum += key[5 + i] * tuple->daddr[i];
	}
	sum += key[9] * view->ident;
	sum += key[10] * tuple->protocol;
	return (__u32)(sum >> 32) | 1;
}

static __always_inline struct lb_line *lb_fragment_line(__u32 hash)
{
	__u32 line = (__u32)((__u64)hash * host_config()->fragment_lines >> 32);

	return host_region(LB_REGION_FRAGMENTS, line);
}

static __always_inline void lb_fragment_remember(const enum lb_family family,
						 const struct lb_view *view)
{
	__u32 hash = lb_fragment_hash(family, view);
	struct lb_line *line = lb_fragment_line(hash);
	__u64 word = (__u64)hash << 32 | (__u32)view->tuple.sport << 16 | view->tuple.dport;
	__u32 place = hash >> 1 & (LB_LINE_WORDS - 1);

	if (!line)
		return;
	for (__u32 i = 0; i < LB_LINE_WORDS; i++)
		if (lb_load64(&line->word[i]) >> 32 == hash)
			place = i;
	lb_store64(&line->word[place & (LB_LINE_WORDS - 1)], word);
}

/* True if the first fragment was seen: fills in its ports. */
static __always_inline bool lb_fragment_recall(const enum lb_family family, struct lb_view *view)
{
	__u32 hash = lb_fragment_hash(family, view);
	struct lb_line *line = lb_fragment_line(hash);

	if (!line)
		return false;
	for (__u32 i = 0; i < LB_LINE_WORDS; i++) {
		__u64 word = lb_load64(&line->word[i]);

		if (word >> 32 != hash)
			continue;
		view->tuple.sport = (__be16)(word >> 16);
		view->tuple.dport = (__be16)word;
		view->tcp_flags = 0;
		return true;
	}
	return false;
}

#endif
