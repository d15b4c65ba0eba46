package jobqueue

import (
	"cmp"
	"slices"
	"time"
)

// This file foretells the order in which records are claimed. It decides nothing.

// standing is one tenant's records of a rank, in the order of their turns.
type standing struct {
	tenant string
	keys   []RecordKey
}

// plan returns the records that wait for workers of this bundle, in the order in
// which they are claimed if nothing new comes. Caps are left out: they hold back only who has others in
// work.
func (l *ledger) plan(now time.Time) []RecordKey {
	var order []RecordKey
	s := l.shares.clone()
	for rank := range 2 {
		for groups := l.waiting(rank, now); len(groups) > 0; {
			best := 0
			for i := range groups {
				a, b := groups[i].keys[0], groups[best].keys[0]
				if l.before(a, l.records[a], b, l.records[b], s, now) {
					best = i
				}
			}
			g := &groups[best]
			order = append(order, g.keys[0])
			s.took(g.tenant)
			if g.keys = g.keys[1:]; len(g.keys) == 0 {
				groups = slices.Delete(groups, best, best+1)
			}
		}
	}
	return order
}

// waiting returns what nobody works on, by tenant.
func (l *ledger) waiting(rank int, now time.Time) []standing {
	by := map[string]int{}
	var groups []standing
	for key, s := range l.records {
		if s.busy(now) || s.foreign || l.rank(s, now) != rank {
			continue
		}
		i, ok := by[key.Tenant]
		if !ok {
			i = len(groups)
			by[key.Tenant] = i
			groups = append(groups, standing{tenant: key.Tenant})
		}
		groups[i].keys = append(groups[i].keys, key)
	}
	for _, g := range groups {
		slices.SortFunc(g.keys, func(a, b RecordKey) int {
			return cmp.Or(l.records[a].created.Compare(l.records[b].created), cmp.Compare(a.ID, b.ID))
		})
	}
	return groups
}

// rate is the mean time between two ends, as things go now; false when nothing
// has ended yet.
func (l *ledger) rate(now time.Time) (time.Duration, bool) {
	parallel := 0
	for _, n := range l.inFlight(now) {
		parallel += n
	}
	return l.took / time.Duration(max(parallel, 1)), l.ended > 0
}

// newcomer stands for a record that is not there yet; no record has this id.
const newcomer = "~"

// maxSkew is more than clocks differ.
const maxSkew = 24 * time.Hour

// forecast is how a new record of a tenant would stand.
type forecast struct {
	// all is how many records wait for workers of this bundle; own is how many of the tenant have not ended;
	// before is how many of those that wait go before the new one.
	all, own, before int
}

// forecast foretells how a new record would stand.
func (l *ledger) forecast(tenant, class string, now time.Time) forecast {
	var f forecast
	for key := range l.records {
		if key.Tenant == tenant {
			f.own++
		}
	}
	key := RecordKey{tenant, newcomer}
	// The last of its tenant, whatever other gateways' clocks say.
	l.records[key] = &sight{class: class, created: now.Add(maxSkew), since: now}
	defer delete(l.records, key)
	order := l.plan(now)
	f.all, f.before = len(order)-1, slices.Index(order, key)
	return f
}

// expect notes a record that is about to be created.
func (l *ledger) expect(key RecordKey, class string, now time.Time) {
	if l.records[key] == nil {
		l.records[key] = &sight{class: class, created: now, since: now}
	}
}

// unexpect notes that a record is not created after all. Only one that was never
// seen has no revision.
func (l *ledger) unexpect(key RecordKey) {
	if s := l.records[key]; s != nil && s.revision == 0 {
		delete(l.records, key)
	}
}
