package ports

// Index answers who holds a port, in time that does not grow with the number of leases. The zero value is empty and
// ready.
type Index struct {
	at map[slot][]held
}

type slot struct {
	protocol string
	port     int
}

type held struct {
	met
	lease  Lease
	holder string
}

// Add notes that holder has l. A lease may be added more than once.
func (x *Index) Add(holder string, l Lease) {
	if x.at == nil {
		x.at = map[slot][]held{}
	}
	h := held{address(l.IP), l, holder}
	proto := protocol(l.Protocol)
	for p := l.Host; p < l.Host+length(l.Count) && p <= Max; p++ {
		s := slot{proto, p}
		x.at[s] = append(x.at[s], h)
	}
}

// Taken returns the holder of a lease that overlaps l: the first one added, on the lowest port that is held. It fits
// [Request.Taken].
func (x *Index) Taken(l Lease) (holder string, taken bool) {
	h, taken := x.find(l, func(Lease) bool { return true })
	return h.holder, taken
}

func (x *Index) find(l Lease, counts func(Lease) bool) (held, bool) {
	m, proto := address(l.IP), protocol(l.Protocol)
	for p := l.Host; p < l.Host+length(l.Count) && p <= Max; p++ {
		for _, h := range x.at[slot{proto, p}] {
			if m.meets(h.met) && counts(h.lease) {
				return h, true
			}
		}
	}
	return held{}, false
}
