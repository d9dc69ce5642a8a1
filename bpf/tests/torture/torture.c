// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The native part of the torture of the connection table: threads that work on a few lines at
 * once, stop in awkward places, and count what must not be. Usage:
 *
 *	torture MILLISECONDS THREADS LINES [FD...]
 *
 * Half of the lines are IPv4's.
 *
 * With descriptors of the regions' maps (in the order of enum lb_region) the kernel takes part in
 * it. Prints one line of "name value" pairs; exit code 1 if anything is violated.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host_user.h"

/* Threads stop where another one can do most harm. */
static _Thread_local unsigned stall_count;

static void stall(void)
{
	if (++stall_count % 997 == 0)
		sched_yield();
}

static inline void *stalled_after(void *pointer, __u64 loaded)
{
	stall();
	return lb_after(pointer, loaded);
}

static inline __u64 stalled_cas64(__u64 *at, __u64 expected, __u64 desired)
{
	__u64 old = lb_cas64(at, expected, desired);

	stall();
	return old;
}

static inline __u64 stalled_load64(const __u64 *at)
{
	stall();
	return lb_load64(at);
}

#define lb_after stalled_after
#define lb_load64 stalled_load64
#define lb_cas64 stalled_cas64
#include "conn_tend.h"
#include "flow.h"
#undef lb_after
#undef lb_load64
#undef lb_cas64

#define ROUNDS 8 /* or fewer, when something is found */
#define FIRST_SLOT 64 /* behind the CPUs */
#define MAX_THREADS 8
#define SLOTS (FIRST_SLOT + MAX_THREADS)

static struct lb_user shared;
static volatile bool stop;
static struct lb_torture runners[MAX_THREADS];

static const struct {
	enum lb_region region;
	size_t stride;
} used[] = {
	{ LB_REGION_CONTROL, sizeof(struct lb_control) },
	{ LB_REGION_SERVICES, sizeof(struct lb_service) },
	{ LB_REGION_LOADS, sizeof(__u64) },
	{ LB_REGION_CPUS, sizeof(struct lb_cpu) },
	{ LB_REGION_SERVICE_STATS, sizeof(struct lb_traffic) },
	{ LB_REGION_CONN_FORWARD, sizeof(struct lb_line) },
	{ LB_REGION_CONN_REVERSE, sizeof(struct lb_line) },
	{ LB_REGION_CONN4, sizeof(struct lb_conn4) },
	{ LB_REGION_CONN6, sizeof(struct lb_conn6) },
	{ LB_REGION_SOURCE_STAMPS, sizeof(struct lb_stamps) },
};

static __u64 count_of(enum lb_region region)
{
	switch (region) {
	case LB_REGION_CONTROL:
		return 1;
	case LB_REGION_SERVICES:
		return LB_BANKS;
	case LB_REGION_CPUS:
	case LB_REGION_SERVICE_STATS:
		return SLOTS;
	case LB_REGION_LOADS:
		return shared.config.max_backends;
	case LB_REGION_CONN4:
		return shared.config.conn_lines4 * LB_LINE_WORDS;
	case LB_REGION_CONN6:
		return shared.config.conn_lines6 * LB_LINE_WORDS;
	case LB_REGION_SOURCE_STAMPS:
		return shared.config.stamp_words;
	default:
		return shared.config.conn_lines4 + shared.config.conn_lines6;
	}
}

static void map_regions(char **fds)
{
	for (size_t i = 0; i < sizeof(used) / sizeof(*used); i++) {
		struct lb_user_region *region = &shared.region[used[i].region];
		int flags = fds ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS;
		size_t size;

		region->stride = used[i].stride;
		region->count = count_of(used[i].region);
		size = (region->stride * region->count + 4095) & ~4095UL;
		region->base = mmap(NULL, size, PROT_READ | PROT_WRITE, flags,
				    fds ? atoi(fds[i]) : -1, 0);
		if (region->base == MAP_FAILED) {
			perror("mmap");
			exit(2);
		}
	}
}

static void *run(void *argument)
{
	struct lb_torture *t = argument;
	struct lb_user own = shared;

	own.slot = t->slot;
	host_user_current = &own;
	stall_count = t->slot;
	while (!stop)
		lb_torture_operate(t);
	host_user_current = NULL;
	return NULL;
}

/* What must not be when nobody works. */
struct findings {
	__u64 busy, duplicates, reverse_duplicates, orphans, strays, stale, loads;
};

static bool in_a_line_of(const struct lb_hash *hash, __u32 position, __u64 word)
{
	__u32 line = position / LB_LINE_WORDS;

	return (line == hash->line[0] || line == hash->line[1]) &&
	       word >> LB_FORWARD_TAG_SHIFT == hash->tag;
}

static bool is_one_sided(const struct lb_conn *entry)
{
	return entry->flags & LB_CONN_ONE_SIDED;
}

static void check_reverse_word(const enum lb_family family, __u32 position,
			       const struct lb_conn *entry, struct findings *findings)
{
	const __u64 *word = lb_word_at(LB_REGION_CONN_REVERSE, entry->reverse);
	struct lb_tuple reply;
	struct lb_hash hash;

	if (is_one_sided(entry)) {
		findings->orphans += entry->reverse != LB_POSITION_NONE;
		return;
	}
	lb_conn_reply(family, entry, &reply);
	lb_conn_hash(family, &reply, &hash);
	if (!word || !lb_reverse_is_used(*word) || lb_reverse_position(*word) != position)
		findings->orphans++;
	else
		findings->strays += !in_a_line_of(&hash, entry->reverse, *word);
}

static void check_forward(const enum lb_family family, __u32 position, struct findings *findings)
{
	const __u32 end = lb_position_first6() * (family == LB_IPV4) +
			  lb_conn_positions() * (family == LB_IPV6);
	struct lb_tuple request, reply;
	struct lb_conn entry, other;
	struct lb_hash hash;
	__u64 word;

	if (!lb_conn_read(position, &entry, &word))
		return;
	lb_conn_request(family, &entry, &request);
	lb_conn_reply(family, &entry, &reply);
	lb_conn_hash(family, &request, &hash);
	findings->strays += !in_a_line_of(&hash, position, word);
	check_reverse_word(family, position, &entry, findings);
	for (__u32 i = position + 1; i < end; i++) {
		if (!lb_conn_read(i, &other, &word))
			continue;
		findings->duplicates += lb_conn_is_forward(family, &other, &request);
		findings->reverse_duplicates += !is_one_sided(&entry) && !is_one_sided(&other) &&
						lb_conn_is_reverse(family, &other, &reply);
	}
}

static void check_reverse(__u32 position, struct findings *findings)
{
	__u64 word = *lb_word_at(LB_REGION_CONN_REVERSE, position), owner;
	struct lb_conn entry;

	if ((word & LB_REVERSE_STATE) == LB_REVERSE_BUSY)
		findings->busy++;
	if (lb_reverse_is_used(word) &&
	    (!lb_conn_read(lb_reverse_position(word), &entry, &owner) || entry.reverse != position))
		findings->stale++;
}

/* Each backend has as many connections as are there. */
static void check_loads(struct findings *findings)
{
	__u64 live[LB_TORTURE_BACKENDS] = {}, word;
	struct lb_conn entry;

	for (__u32 i = 0; i < lb_conn_positions(); i++)
		if (lb_conn_read(i, &entry, &word))
			live[entry.backend_id % LB_TORTURE_BACKENDS]++;
	for (__u32 i = 0; i < LB_TORTURE_BACKENDS; i++)
		findings->loads += *(__u64 *)host_region(LB_REGION_LOADS, i) != live[i];
}

static void check_table(struct findings *findings)
{
	for (__u32 i = 0; i < lb_conn_positions(); i++) {
		__u64 word = *lb_word_at(LB_REGION_CONN_FORWARD, i);

		findings->busy += lb_word_state(word) == LB_CONN_BUSY;
		if (lb_position_family(i) == LB_IPV4)
			check_forward(LB_IPV4, i, findings);
		else
			check_forward(LB_IPV6, i, findings);
		check_reverse(i, findings);
	}
	check_loads(findings);
}

/* A thread may wait long for a CPU: its flows must not expire meanwhile. */
static void confirmed_flows_stay(void)
{
	struct lb_service *service = host_region(LB_REGION_SERVICES, 0);

	service->flags = LB_SERVICE_USED;
	service->idle = lb_timeout_encode(LB_TIMEOUT_MAX);
}

static __u64 work(int threads, int milliseconds, bool kernel, struct findings *findings,
		  struct lb_torture_stats *sum)
{
	pthread_t thread[MAX_THREADS];
	char byte;

	stop = false;
	for (int i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, run, &runners[i]);
	usleep(milliseconds * 1000);
	stop = true;
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	if (kernel) { /* until it has stopped, too */
		puts("native threads stopped");
		fflush(stdout);
		if (read(0, &byte, 1) < 0)
			exit(2);
	}
	check_table(findings);
	*sum = (struct lb_torture_stats){};
	for (__u32 slot = 0; slot < SLOTS; slot++) {
		const __u64 *row = host_region(LB_REGION_SERVICE_STATS, slot);

		for (size_t i = 0; i < sizeof(*sum) / sizeof(__u64); i++)
			((__u64 *)sum)[i] += row[i];
	}
	return sum->torn + sum->duplicates + sum->reverse_duplicates + sum->lost + sum->orphans +
	       findings->busy + findings->duplicates + findings->reverse_duplicates +
	       findings->orphans + findings->strays + findings->stale + findings->loads;
}

int main(int argc, char **argv)
{
	struct findings findings = {};
	struct lb_torture_stats sum = {};
	int threads, milliseconds, rounds;
	__u64 violations = 0;
	bool kernel = argc > 4;

	if (argc < 4 || atoi(argv[2]) > MAX_THREADS)
		return 2;
	milliseconds = atoi(argv[1]);
	threads = atoi(argv[2]);
	shared.config.conn_lines4 = atoi(argv[3]) / 2;
	shared.config.conn_lines6 = atoi(argv[3]) / 2;
	shared.config.max_backends = LB_TORTURE_BACKENDS;
	shared.config.cpu_slots = SLOTS;
	shared.config.max_services = 1;
	shared.config.stamp_words = 64;
	for (int i = 0; i < 40; i++)
		shared.config.conn_key[i] = (i + 1) * 0x9e3779b97f4a7c15ULL | 1;
	map_regions(kernel ? argv + 4 : NULL);
	host_user_current = &shared;
	confirmed_flows_stay();
	for (int i = 0; i < threads; i++)
		runners[i] = (struct lb_torture){ .random = i + 1, .slot = FIRST_SLOT + i };
	rounds = kernel ? 1 : ROUNDS;
	for (int round = 0; round < rounds && !violations; round++)
		violations = work(threads, milliseconds / rounds, kernel, &findings, &sum);
	printf("operations %llu inserts %llu contended %llu torn %llu lost %llu busy %llu "
	       "duplicates %llu reverse_duplicates %llu orphans %llu strays %llu stale %llu loads %llu\n",
	       sum.operations, sum.inserts, sum.contended, sum.torn, sum.lost, findings.busy,
	       sum.duplicates + findings.duplicates,
	       sum.reverse_duplicates + findings.reverse_duplicates, sum.orphans + findings.orphans,
	       findings.strays, findings.stale, findings.loads);
	return violations != 0;
}
