package find

import (
	"context"
	"sync"

	"github.com/docker-loom/docker-loom/internal/registry"
)

// Attendance is the looms that this process works on. The zero value is ready.
type Attendance struct {
	// Unnoticed keeps what is done from counting as use of the looms.
	Unnoticed bool

	mu    sync.Mutex
	leave map[string]func() // by name of the loom, with its repository
}

// Attend notes that this process works on a loom, until it ends.
func (f *Finder) Attend(ctx context.Context, t *Target) {
	if err := f.Attendance.begin(ctx, f.Registry, t); err != nil {
		// No reason not to do what was asked for.
		f.Teller.Debugf("%v", err)
	}
}

func (a *Attendance) begin(ctx context.Context, r *registry.Registry, t *Target) error {
	name := t.Repository + "\x00" + t.ID
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.Unnoticed || a.leave[name] != nil {
		return nil
	}
	leave, err := r.Attend(ctx, t.Repository, t.ID)
	if err != nil {
		return err
	}
	if a.leave == nil {
		a.leave = map[string]func(){}
	}
	a.leave[name] = leave
	return nil
}

// Unattend forgets all that was observed of a loom that ends.
func (f *Finder) Unattend(t *Target) {
	name := t.Repository + "\x00" + t.ID
	f.Attendance.mu.Lock()
	defer f.Attendance.mu.Unlock()
	if leave := f.Attendance.leave[name]; leave != nil {
		leave()
		delete(f.Attendance.leave, name)
	}
	if err := f.Registry.ForgetActivity(t.Repository, t.ID); err != nil {
		f.Teller.Debugf("activity of %s: %v", t.Name(), err)
	}
}

// Leave ends the work on the looms that this process attended to.
func (a *Attendance) Leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, leave := range a.leave {
		leave()
		delete(a.leave, name)
	}
}
