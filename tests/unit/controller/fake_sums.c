/* What a fake says of its nodes' rules, in sums: pipeline/summary.h. */
#include "fake_element.h"

static void say(struct fake *f)
{
	static struct summary_bucket buckets[SUMMARY_BUCKETS_MAX];
	size_t at = 0;
	void *value;

	memset(buckets, 0, sizeof(buckets));
	while (table_next(&f->rules, &at, NULL, &value)) {
		const struct rule *rule = value;

		if (summary_covers((enum rule_kind)rule->key.kind))
			summary_add(&f->asked_sums, buckets, rule);
	}
	for (unsigned i = 0; f->sums_lie && i < summary_bucket_count(&f->asked_sums); i++)
		buckets[i].count = UINT32_MAX;
	summary_reply_encode(&f->channel.out, f->sums_xid, f->asked_sums.bits, buckets);
}

static void tell(struct fake *f, uint32_t xid, const struct summary_scheme *scheme,
		 const struct summary_marks *marks)
{
	struct ofp_multipart_writer w;
	size_t at = 0;
	void *value;

	ofp_multipart_begin(&w, &f->channel.out, xid, OFPMP_FLOW);
	while (table_next(&f->rules, &at, NULL, &value)) {
		const struct rule *rule = value;

		if (!summary_covers((enum rule_kind)rule->key.kind) ||
		    summary_is_marked(marks,
				      summary_bucket_of(scheme, rule->key.vrf, &rule->key.address)))
			fake_tell_rule(f, &w, rule);
	}
	ofp_multipart_end(&w);
}

int fake_sums(struct fake *f, uint32_t xid, enum experimenter_type type, struct reader *body)
{
	struct summary_scheme scheme;
	struct summary_marks marks = {0};

	if (!f->says_sums)
		return -OFP_BAD_REQUEST_BAD_EXP_TYPE;
	if (type == EXPERIMENTER_SUMMARY_RULES) {
		assert_int_equal(summary_rules_decode(body, &scheme, &marks), 0);
		if (f->sums_lie)
			return 0;
		tell(f, xid, &scheme, &marks);
		return 0;
	}
	assert_int_equal(summary_request_decode(body, &f->asked_sums), 0);
	f->sums_xid = xid;
	if (!f->sums_wait)
		say(f);
	return 0;
}

void fake_says_sums(struct world *w, uint32_t fe)
{
	say(fake_of(w, fe));
	world_run(w);
}
