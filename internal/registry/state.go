package registry

import (
	"encoding/json"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/docker-loom/docker-loom/internal/ports"
)

// State is what the registry says: all looms of this user, of every repository. It belongs to one goroutine.
type State struct {
	Version int
	// Looms has an entry for each Compose project of each loom.
	Looms []*Loom
	Fresh bool // there was no file: looms may have leases that only their containers' labels still tell of

	// Unknown holds what a later docker loom of the same file version wrote beside the looms; a change gives it back.
	Unknown map[string]json.RawMessage
}

// Loom is one Compose project of a loom, and everything promised to it. Repository and ID tell looms apart, Dir the
// projects of one loom; most looms have one. Where the work tree is, the offset, and who wrote the files are the
// loom's: all its projects have the same.
type Loom struct {
	ID         string              `json:"id"`         // normalised, as the user types it: 123, ENG-324, feat/x
	Repository string              `json:"repository"` // path of the main work tree
	Project    string              `json:"project"`    // Compose project name
	WorkTree   string              `json:"workTree"`
	Dir        string              `json:"dir"`                 // Compose project directory
	Workspace  string              `json:"workspace,omitempty"` // of its dev container, if that is another folder than Dir
	Files      bool                `json:"files"`               // the generated files of Dir are this loom's
	Offset     int                 `json:"offset"`
	Pinned     bool                `json:"pinned,omitempty"` // the user asked for just this offset
	Space      string              `json:"space"`            // lease space: "local", or the ID of a remote engine
	Created    time.Time           `json:"created"`
	Ports      []ports.Lease       `json:"ports"`
	Subnets    map[string][]string `json:"subnets,omitempty"`   // network key → CIDRs
	Variables  map[string]string   `json:"variables,omitempty"` // base of each shifted variable, by name
	Makes      []Made              `json:"makes,omitempty"`     // what other projects of the loom may name
	// Images are the names of images that are built for it, and the IDs of such that lost their name; sorted.
	Images []string `json:"images,omitempty"`
	// DevContainer is the devcontainer.json that was chosen for it by --config, "" if it was found.
	DevContainer string `json:"devContainer,omitempty"`
	// Adopted are the labels of a dev container that another tool made and that is used as it is; nil for a loom's own.
	Adopted map[string]string `json:"adopted,omitempty"`
	// Untrusted says that the work tree has somebody else's changes; Sandboxed that a sandbox may have written to it.
	Untrusted bool `json:"untrusted,omitempty"`
	Sandboxed bool `json:"sandboxed,omitempty"`
	// WrittenSince is when either began, zero if that is not known. Origin says where the changes are from.
	WrittenSince time.Time `json:"writtenSince,omitzero"`
	Origin       string    `json:"origin,omitempty"`
	// Accepted is what the last up obeyed of the work tree, nil before the first.
	Accepted *Accepted `json:"accepted,omitempty"`
	Hold     *Hold     `json:"hold,omitempty"` // the user wants it left running, however idle
	// Confined says how the services leave while an agent works on the loom; nil where they are on networks of Compose's
	// own kind.
	Confined *Confined `json:"confined,omitempty"`

	// Unknown holds what a later docker loom of the same file version says about this loom; a change gives it back.
	Unknown map[string]json.RawMessage `json:"-"`
}

// ImagesOf is a list as [Loom.Images] has it: sorted, each once.
func ImagesOf(list []string) []string {
	images := slices.Clone(list)
	slices.Sort(images)
	return slices.DeleteFunc(slices.Compact(images), func(image string) bool { return image == "" })
}

// Accepted is what a loom was brought up with.
type Accepted struct {
	// Hash is over all that was obeyed: the project, the devcontainer.json, the settings.
	Hash string `json:"hash"`
	// HostAccess is what the files ask of the host beyond a container of their own, one line each, sorted.
	HostAccess []string `json:"powers,omitempty"`
	// Files are hashes of what was obeyed, by path, and of the resolved Compose project; nil in an entry of an earlier
	// docker loom.
	Files map[string]string `json:"files,omitempty"`
}

// Hold keeps a loom from being stopped for idleness.
type Hold struct {
	Until time.Time `json:"until,omitzero"` // the zero time for until it is released
}

// Confined says that the services of a loom sit on internal networks only and leave through a sidecar.
type Confined struct {
	// Mode and Allow are the policy: none or restricted, and the hosts beside the defaults.
	Mode  string   `json:"mode"`
	Allow []string `json:"allow,omitempty"`
	// Image is the sidecar's.
	Image string `json:"image"`
}

// Held reports whether the loom is on hold at a moment.
func (l *Loom) Held(now time.Time) bool {
	return l.Hold != nil && (l.Hold.Until.IsZero() || now.Before(l.Hold.Until))
}

// Name is how a loom is called in messages and in the first line of generated files: shop/123. A folder's name can have
// line ends and other control characters; the name of the loom has question marks in their place.
func Name(repository, id string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, filepath.Base(repository)+"/"+id)
}

// Name is how the loom is called in messages: shop/123. Two repositories of one name share it.
func (l *Loom) Name() string { return Name(l.Repository, l.ID) }

func (l *Loom) hasName(repository, id string) bool {
	return l.ID == id && same(l.Repository, repository)
}

// Find returns the first project of a loom, or nil: for what is the same in all. What is changed in it is changed in
// the state.
func (s *State) Find(repository, id string) *Loom {
	if all := s.Projects(repository, id); len(all) > 0 {
		return all[0]
	}
	return nil
}

// Put adds l, or replaces the same project of the same loom. What is unknown about that one stays, unless l brings its
// own, and so does what it says of who wrote the work tree. The other projects of the loom get what the loom has.
func (s *State) Put(l Loom) {
	old := s.ProjectOf(&l)
	if old == nil {
		old = new(Loom)
		s.Looms = append(s.Looms, old)
	}
	if l.Unknown == nil {
		l.Unknown = old.Unknown
	}
	l.shareTrust(old)
	*old = l
	for _, k := range s.Projects(l.Repository, l.ID) {
		old.shareTrust(k)
	}
	for _, k := range s.Projects(l.Repository, l.ID) {
		k.Join(old)
	}
}

// Remove ends all promises to a loom and reports whether there were any.
func (s *State) Remove(repository, id string) bool {
	n := len(s.Looms)
	s.Looms = slices.DeleteFunc(s.Looms, func(l *Loom) bool { return l.hasName(repository, id) })
	return len(s.Looms) < n
}

// InFolder returns the looms whose work tree is this path. Links are not followed: give paths as they were put.
func (s *State) InFolder(workTree string) []*Loom {
	var in []*Loom
	for _, l := range s.Looms {
		if same(l.WorkTree, workTree) {
			in = append(in, l)
		}
	}
	return in
}

// ByProject returns the loom with a Compose project, or nil.
func (s *State) ByProject(project string) *Loom {
	for _, l := range s.Looms {
		if l.Project == project {
			return l
		}
	}
	return nil
}

// HasHostPort reports whether one of the loom's leases begins at a host port, given in decimal.
func (l *Loom) HasHostPort(port string) bool {
	return slices.ContainsFunc(l.Ports, func(lease ports.Lease) bool { return strconv.Itoa(lease.Host) == port })
}

// Clone copies a loom, as far as its leases go. It is nil for nil.
func (l *Loom) Clone() *Loom {
	if l == nil {
		return nil
	}
	c := *l
	c.Ports = slices.Clone(l.Ports)
	return &c
}

// FilesOwner returns the loom that the generated files of a Compose project directory belong to, or nil.
func (s *State) FilesOwner(dir string) *Loom {
	for _, l := range s.Looms {
		if l.Files && same(l.Dir, dir) {
			return l
		}
	}
	return nil
}

// Ports returns the question that [ports.Request] asks: which project of l's lease space, other than l, holds a lease
// like this. The holder reads "loom shop/123", or "project apps/web of this loom". The answer is of now: later changes
// of the state do not show in it.
func (s *State) Ports(l *Loom) func(ports.Lease) (holder string, taken bool) {
	var index ports.Index
	for _, k := range s.others(l) {
		holder := "loom " + k.Name()
		if k.hasName(l.Repository, l.ID) {
			holder = "project " + k.Folder() + " of this loom"
		}
		for _, lease := range k.Ports {
			index.Add(holder, lease)
		}
	}
	return index.Taken
}

// Subnets returns every subnet leased in l's lease space to another project than l, in no particular order.
func (s *State) Subnets(l *Loom) []netip.Prefix {
	var all []netip.Prefix
	for _, k := range s.others(l) {
		for _, cidrs := range k.Subnets {
			for _, cidr := range cidrs {
				if p, err := netip.ParsePrefix(cidr); err == nil {
					all = append(all, p)
				}
			}
		}
	}
	return all
}

// InSpace lists the looms of a lease space.
func (s *State) InSpace(space string) []*Loom {
	return slices.DeleteFunc(slices.Clone(s.Looms), func(l *Loom) bool { return l.Space != space })
}

func (s *State) others(l *Loom) []*Loom {
	own := s.ProjectOf(l)
	return slices.DeleteFunc(s.InSpace(l.Space), func(k *Loom) bool { return k == own })
}

func same(a, b string) bool {
	a, b = filepath.Clean(a), filepath.Clean(b)
	return a == b || runtime.GOOS == "windows" && strings.EqualFold(a, b)
}
