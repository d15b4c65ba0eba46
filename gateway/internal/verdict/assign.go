package verdict

// assign gives faces to people, each at most one, so that as many people as can
// be have a face and, among those ways, the sum of the weights is greatest. It
// returns the person of each face. weight says false for what cannot be. Of
// equal ways it takes the same always.
//
// It goes over the faces, with the best way for every set of people that have
// one: with 8 people and 16 faces, 32,768 looks.
func assign(faces, people int, weight func(face, person int) (float64, bool)) []int {
	// Every face that is given counts more than all weights, each -1..2.
	const given = 100
	type way struct {
		sum float64
		ok  bool
		of  []int
	}
	best := make([]way, 1<<people)
	best[0] = way{ok: true}
	for i := range faces {
		next := make([]way, len(best))
		for set, w := range best {
			if !w.ok {
				continue
			}
			take := func(to, person int, more float64) {
				if sum := w.sum + more; !next[to].ok || sum > next[to].sum {
					next[to] = way{sum, true, append(w.of[:i:i], person)}
				}
			}
			take(set, Nobody, 0)
			for j := range people {
				if set>>j&1 != 0 {
					continue
				}
				if more, ok := weight(i, j); ok {
					take(set|1<<j, j, more+given)
				}
			}
		}
		best = next
	}
	chosen := best[0]
	for _, w := range best {
		if w.ok && w.sum > chosen.sum {
			chosen = w
		}
	}
	return chosen.of
}
