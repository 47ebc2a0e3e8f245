package loom

import "context"

// markInUse notes that this process works on a loom, until it ends.
func (l *Looms) markInUse(ctx context.Context, t *Target) {
	name := t.Repository + "\x00" + t.ID
	l.attendance.Lock()
	defer l.attendance.Unlock()
	if l.Unnoticed || l.attending[name] != nil {
		return
	}
	leave, err := l.Registry.MarkInUse(ctx, t.Repository, t.ID)
	if err != nil {
		// No reason not to do what was asked for.
		l.Teller.Debugf("%v", err)
		return
	}
	if l.attending == nil {
		l.attending = map[string]func(){}
	}
	l.attending[name] = leave
}

// forgetUse forgets all that was observed of a loom that ends.
func (l *Looms) forgetUse(t *Target) {
	name := t.Repository + "\x00" + t.ID
	l.attendance.Lock()
	defer l.attendance.Unlock()
	if leave := l.attending[name]; leave != nil {
		leave()
		delete(l.attending, name)
	}
	if err := l.Registry.ForgetActivity(t.Repository, t.ID); err != nil {
		l.Teller.Debugf("activity of %s: %v", t.Name(), err)
	}
}

// Leave ends the work on the looms that this process marked as in use.
func (l *Looms) Leave() {
	l.attendance.Lock()
	defer l.attendance.Unlock()
	for name, leave := range l.attending {
		leave()
		delete(l.attending, name)
	}
}
