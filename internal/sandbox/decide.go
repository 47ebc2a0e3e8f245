package sandbox

// Facts are what is known of a sandbox's two containers.
type Facts struct {
	// Running is also true of a container that is paused, as the engine has it.
	Exists, Running, Paused bool
	// Hash is the container's label, WantHash that of the compiled service.
	Hash, WantHash string
	// ID and StartedAt are the container's.
	ID, StartedAt string
	// CheckedID and CheckedStart are those of the last self-check that found nothing.
	CheckedID, CheckedStart string
	// Unguarded says that a guarded path was replaced since the container started ([Guarded]).
	Unguarded bool
	Egress    EgressFacts
}

// EgressFacts are what is known of the sidecar.
type EgressFacts struct {
	Exists, Running, Paused bool
	Hash, WantHash          string
	// ID and StartedAt, and those of the last self-check: a sidecar that was started again has its rules of the beginning.
	ID, StartedAt           string
	CheckedID, CheckedStart string
}

// Do is what is to be done with one container.
type Do string

const (
	// Keep leaves it as it is.
	Keep Do = ""
	// Create makes and starts it.
	Create Do = "create"
	// Start starts it.
	Start Do = "start"
	// Unpause lets it go on.
	Unpause Do = "unpause"
	// Recreate makes it anew; what runs in it ends.
	Recreate Do = "recreate"
)

// Action is what brings a sandbox to the wanted state.
type Action struct {
	Sandbox, Egress Do
	// Check says that the self-check must pass before any command runs.
	Check bool
	// EndsCommands says that a running sandbox is made anew.
	EndsCommands bool
}

// Nothing reports whether all is as wanted and checked.
func (a Action) Nothing() bool { return a == Action{} }

// Decide says what is to be done: missing is created, stopped started, paused let go on, drifted made anew, and whatever was not checked as it
// runs now is checked. A sidecar whose rules drifted is made anew alone; the commands in the sandbox go on.
func Decide(f Facts) Action {
	a := Action{
		Sandbox: step(f.Exists, f.Running, f.Paused, f.Hash == f.WantHash),
		Egress:  step(f.Egress.Exists, f.Egress.Running, f.Egress.Paused, f.Egress.Hash == f.Egress.WantHash),
	}
	if (a.Sandbox == Keep || a.Sandbox == Unpause) && f.Unguarded {
		a.Sandbox = Recreate
	}
	a.EndsCommands = a.Sandbox == Recreate && f.Running
	a.Check = a.Sandbox != Keep || a.Egress != Keep ||
		!checked(f.ID, f.StartedAt, f.CheckedID, f.CheckedStart) ||
		!checked(f.Egress.ID, f.Egress.StartedAt, f.Egress.CheckedID, f.Egress.CheckedStart)
	return a
}

func step(exists, running, paused, same bool) Do {
	switch {
	case !exists:
		return Create
	case !same:
		return Recreate
	case !running:
		return Start
	case paused:
		return Unpause
	default:
		return Keep
	}
}

// checked compares with the record of a check; a container without an identity was never checked.
func checked(id, started, checkedID, checkedStart string) bool {
	return id != "" && started != "" && id == checkedID && started == checkedStart
}
