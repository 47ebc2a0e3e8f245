package sandbox

// Facts are what is known of a sandbox's two containers.
type Facts struct {
	// Running is also true for a paused container, as in the engine's answer.
	Exists, Running, Paused bool
	// Hash is the container's label, WantHash the label of the compiled service.
	Hash, WantHash string
	// ID and StartedAt are the container's.
	ID, StartedAt string
	// CheckedID and CheckedStart are those of the last self-check that passed.
	CheckedID, CheckedStart string
	// LostMount reports that a read-only mount was lost since the container started ([ReadOnlyOverlays]).
	LostMount bool
	Egress    EgressFacts
}

// EgressFacts are what is known of the sidecar.
type EgressFacts struct {
	Exists, Running, Paused bool
	Hash, WantHash          string
	// A sidecar that was started again has lost the rules that were added since: it is checked again.
	ID, StartedAt           string
	CheckedID, CheckedStart string
}

// Change is what must be done with one container.
type Change string

const (
	// Keep changes nothing.
	Keep Change = ""
	// Create makes and starts the container.
	Create Change = "create"
	// Start starts a stopped container.
	Start Change = "start"
	// Unpause resumes a paused container.
	Unpause Change = "unpause"
	// Recreate replaces the container; commands that run in it end.
	Recreate Change = "recreate"
)

// Action brings a sandbox to the wanted state.
type Action struct {
	Sandbox, Egress Change
	// Check reports that the self-check must pass before any command runs.
	Check bool
	// EndsCommands reports that a running sandbox is recreated.
	EndsCommands bool
}

// Nothing reports whether both containers are as wanted and checked.
func (a Action) Nothing() bool { return a == Action{} }

// Decide returns what must be done. Missing containers are created, stopped ones started, paused ones resumed, and
// those with another hash recreated. A container that was not checked since its last start is checked. If only the
// sidecar is recreated, the commands in the sandbox go on.
func Decide(f Facts) Action {
	a := Action{
		Sandbox: changeFor(f.Exists, f.Running, f.Paused, f.Hash == f.WantHash),
		Egress:  changeFor(f.Egress.Exists, f.Egress.Running, f.Egress.Paused, f.Egress.Hash == f.Egress.WantHash),
	}
	if (a.Sandbox == Keep || a.Sandbox == Unpause) && f.LostMount {
		a.Sandbox = Recreate
	}
	a.EndsCommands = a.Sandbox == Recreate && f.Running
	a.Check = a.Sandbox != Keep || a.Egress != Keep ||
		!wasChecked(f.ID, f.StartedAt, f.CheckedID, f.CheckedStart) ||
		!wasChecked(f.Egress.ID, f.Egress.StartedAt, f.Egress.CheckedID, f.Egress.CheckedStart)
	return a
}

func changeFor(exists, running, paused, sameHash bool) Change {
	switch {
	case !exists:
		return Create
	case !sameHash:
		return Recreate
	case !running:
		return Start
	case paused:
		return Unpause
	default:
		return Keep
	}
}

// wasChecked compares a container with the record of a check. A container without an id was never checked.
func wasChecked(id, started, checkedID, checkedStart string) bool {
	return id != "" && started != "" && id == checkedID && started == checkedStart
}
