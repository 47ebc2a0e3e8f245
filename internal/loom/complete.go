package loom

import (
	"slices"
)

// Remembered lists the looms that the registry knows, of all repositories and engines. It asks no engine, so their
// State is unknown. A damaged registry stays as it is.
func (l *Looms) Remembered() ([]Listed, error) {
	state, err := l.Registry.Peek()
	if err != nil {
		return nil, err
	}
	list := []Listed{}
	for _, k := range state.Looms {
		list = append(list, remembered(k))
	}
	slices.SortFunc(list, inOrder)
	return list, nil
}
