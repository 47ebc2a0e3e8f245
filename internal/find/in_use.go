package find

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/docker-loom/docker-loom/internal/registry"
)

// InUse has the looms that this process works on. The zero value is ready.
type InUse struct {
	// Unnoticed keeps what is done from counting as use of the looms.
	Unnoticed bool

	mu    sync.Mutex
	leave map[string]func() // by name of the loom, with its repository
	words map[string]string // by id
	first string            // the id that was found first
}

// noteWord notes what names a loom in a command of this folder.
func (a *InUse) noteWord(id, word string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.words == nil {
		a.words, a.first = map[string]string{}, id
	}
	if a.words[id] == "" {
		a.words[id] = word
	}
}

// Words are how looms are named in a command of this folder.
func (a *InUse) Words(ids []string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var words []string
	for _, id := range ids {
		words = append(words, ShellWord(cmp.Or(a.words[id], id)))
	}
	return words
}

// WithLoom makes the commands of a next step name each loom as one types it in this folder: by its repository too if
// that is another, and in quotes if a shell needs them. ID in a command stands for the loom that was found first, which
// is the one that the user named.
func (a *InUse) WithLoom(step string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.first != "" {
		step = withID(step, "ID", a.first)
	}
	for _, id := range slices.Sorted(maps.Keys(a.words)) {
		step = withID(step, id, ShellWord(a.words[id]))
	}
	return step
}

// MarkInUse notes that this process works on a loom, until it ends.
func (f *Finder) MarkInUse(ctx context.Context, t *Target) {
	f.InUse.noteWord(t.ID, t.ID)
	if err := f.InUse.begin(ctx, f.Registry, t); err != nil {
		// No reason not to do what was asked for.
		f.Teller.Debugf("%v", err)
	}
}

func (a *InUse) begin(ctx context.Context, r *registry.Registry, t *Target) error {
	name := t.Repository + "\x00" + t.ID
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.Unnoticed || a.leave[name] != nil {
		return nil
	}
	leave, err := r.MarkInUse(ctx, t.Repository, t.ID)
	if err != nil {
		return err
	}
	if a.leave == nil {
		a.leave = map[string]func(){}
	}
	a.leave[name] = leave
	return nil
}

// ForgetUse forgets all that was observed of a loom that ends.
func (f *Finder) ForgetUse(t *Target) {
	name := t.Repository + "\x00" + t.ID
	f.InUse.mu.Lock()
	defer f.InUse.mu.Unlock()
	if leave := f.InUse.leave[name]; leave != nil {
		leave()
		delete(f.InUse.leave, name)
	}
	if err := f.Registry.ForgetActivity(t.Repository, t.ID); err != nil {
		f.Teller.Debugf("activity of %s: %v", t.Name(), err)
	}
}

// Leave ends the work on the looms that this process marked as in use.
func (a *InUse) Leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, leave := range a.leave {
		leave()
		delete(a.leave, name)
	}
}
