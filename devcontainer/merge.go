package devcontainer

import (
	"encoding/json"
	"slices"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

// entry is one of those that are merged, and whose it is.
type entry struct {
	from string
	Metadata
}

// Merge puts together what the image, the features (in the order of their installation) and the devcontainer.json say.
// All three have had their variables replaced (Config.Substitute, Metadata.Substitute) (specification, "Merge
// Logic").
func Merge(image, features []Metadata, c *Config) *Merged {
	var entries []entry
	for _, m := range image {
		from := m.ID
		if from == "" {
			from = "image"
		}
		entries = append(entries, entry{from, m})
	}
	for _, m := range features {
		entries = append(entries, entry{m.ID, m})
	}
	entries = append(entries, entry{"devcontainer.json", c.Metadata})
	for _, m := range c.later {
		entries = append(entries, entry{m.ID, m})
	}
	return mergeEntries(entries, c.located())
}

// MergeLabel is Merge of the entries of a container's metadata label, with their variables replaced. The last one
// without an ID is the devcontainer.json's.
func MergeLabel(label []Metadata) *Merged {
	file := len(label) - 1
	for file > 0 && label[file].ID != "" {
		file--
	}
	if file < 0 {
		return mergeEntries(nil, nil)
	}
	return Merge(label[:file], nil, &Config{Metadata: label[file], later: label[file+1:]})
}

func mergeEntries(entries []entry, document *jsonc.Node) *Merged {
	m := &Merged{
		ContainerEnv:    map[string]string{},
		RemoteEnv:       map[string]*string{},
		PortsAttributes: map[string]PortAttributes{},
		Customizations:  map[string][]json.RawMessage{},
		entries:         entries,
		document:        document,
	}
	all := make([]Metadata, 0, len(entries))
	for _, e := range entries {
		all = append(all, e.Metadata)
		m.hooks(e)
		m.add(e.Metadata)
	}
	m.Mounts = mergeMounts(all)
	m.HostRequirements = mergeRequirements(all)
	return m
}

func (m *Merged) hooks(e entry) {
	for _, h := range []struct {
		to  *[]Origin
		cmd *Command
	}{
		{&m.OnCreateCommands, e.OnCreateCommand},
		{&m.UpdateContentCommands, e.UpdateContentCommand},
		{&m.PostCreateCommands, e.PostCreateCommand},
		{&m.PostStartCommands, e.PostStartCommand},
		{&m.PostAttachCommands, e.PostAttachCommand},
	} {
		if h.cmd != nil {
			*h.to = append(*h.to, Origin{From: e.from, Command: *h.cmd})
		}
	}
}

// add puts e over m.
func (m *Merged) add(e Metadata) {
	m.Init = m.Init || e.Init != nil && *e.Init
	m.Privileged = m.Privileged || e.Privileged != nil && *e.Privileged
	m.CapAdd = union(m.CapAdd, e.CapAdd)
	m.SecurityOpt = union(m.SecurityOpt, e.SecurityOpt)
	m.ForwardPorts = union(m.ForwardPorts, e.ForwardPorts)
	if e.Entrypoint != "" {
		m.Entrypoints = append(m.Entrypoints, e.Entrypoint)
	}
	last(&m.WaitFor, e.WaitFor)
	last(&m.UserEnvProbe, e.UserEnvProbe)
	last(&m.RemoteUser, e.RemoteUser)
	last(&m.ContainerUser, e.ContainerUser)
	last(&m.ShutdownAction, e.ShutdownAction)
	last(&m.OverrideCommand, e.OverrideCommand)
	last(&m.UpdateRemoteUserUID, e.UpdateRemoteUserUID)
	last(&m.OtherPortsAttributes, e.OtherPortsAttributes)
	lastPerKey(m.ContainerEnv, e.ContainerEnv)
	lastPerKey(m.RemoteEnv, e.RemoteEnv)
	lastPerKey(m.PortsAttributes, e.PortsAttributes)
	for k, v := range e.Customizations {
		m.Customizations[k] = append(m.Customizations[k], v)
	}
}

// union appends what is new to it.
func union[T comparable](all, more []T) []T {
	for _, v := range more {
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

// last keeps what is set.
func last[T comparable](to *T, v T) {
	var unset T
	if v != unset {
		*to = v
	}
}

func lastPerKey[V any](to, from map[string]V) {
	for k, v := range from {
		to[k] = v
	}
}

// mergeMounts keeps the last mount of each target, at its own place.
func mergeMounts(entries []Metadata) []Mount {
	var all []Mount
	for _, e := range entries {
		all = append(all, e.Mounts...)
	}
	var out []Mount
	for i, m := range all {
		if !slices.ContainsFunc(all[i+1:], func(later Mount) bool { return later.Target == m.Target }) {
			out = append(out, m)
		}
	}
	return out
}

// replaced are the keys of a devcontainer.json that a merged configuration has in another form, or not at all.
var replaced = []string{
	"customizations", "entrypoint", "onCreateCommand", "updateContentCommand", "postCreateCommand", "postStartCommand",
	"postAttachCommand", "shutdownAction",
}

// MarshalJSON writes the reference CLI's mergedConfiguration: the devcontainer.json, with what was merged over it.
func (m *Merged) MarshalJSON() ([]byte, error) {
	data, err := json.Marshal(struct {
		Init                  bool                         `json:"init"`
		Privileged            bool                         `json:"privileged"`
		CapAdd                []string                     `json:"capAdd,omitempty"`
		SecurityOpt           []string                     `json:"securityOpt,omitempty"`
		Entrypoints           []string                     `json:"entrypoints,omitempty"`
		Mounts                []Mount                      `json:"mounts,omitempty"`
		Customizations        map[string][]json.RawMessage `json:"customizations,omitempty"`
		OnCreateCommands      []Origin                     `json:"onCreateCommands"`
		UpdateContentCommands []Origin                     `json:"updateContentCommands"`
		PostCreateCommands    []Origin                     `json:"postCreateCommands"`
		PostStartCommands     []Origin                     `json:"postStartCommands"`
		PostAttachCommands    []Origin                     `json:"postAttachCommands"`
		WaitFor               string                       `json:"waitFor,omitempty"`
		RemoteUser            string                       `json:"remoteUser,omitempty"`
		ContainerUser         string                       `json:"containerUser,omitempty"`
		UserEnvProbe          string                       `json:"userEnvProbe,omitempty"`
		RemoteEnv             map[string]*string           `json:"remoteEnv"`
		ContainerEnv          map[string]string            `json:"containerEnv"`
		OverrideCommand       *bool                        `json:"overrideCommand,omitempty"`
		PortsAttributes       map[string]PortAttributes    `json:"portsAttributes"`
		OtherPortsAttributes  *PortAttributes              `json:"otherPortsAttributes,omitempty"`
		ForwardPorts          []ForwardPort                `json:"forwardPorts,omitempty"`
		ShutdownAction        string                       `json:"shutdownAction,omitempty"`
		UpdateRemoteUserUID   *bool                        `json:"updateRemoteUserUID,omitempty"`
		HostRequirements      *HostRequirements            `json:"hostRequirements,omitempty"`
	}{
		m.Init, m.Privileged, m.CapAdd, m.SecurityOpt, m.Entrypoints, m.Mounts, m.Customizations,
		list(m.OnCreateCommands), list(m.UpdateContentCommands), list(m.PostCreateCommands), list(m.PostStartCommands),
		list(m.PostAttachCommands), m.WaitFor, m.RemoteUser, m.ContainerUser, m.UserEnvProbe, m.RemoteEnv, m.ContainerEnv,
		m.OverrideCommand, m.PortsAttributes, m.OtherPortsAttributes, m.ForwardPorts, m.ShutdownAction,
		m.UpdateRemoteUserUID, m.HostRequirements,
	})
	if err != nil || m.document == nil {
		return data, err
	}
	merged, err := parse("merged configuration", data)
	if err != nil {
		return nil, err
	}
	out := m.document
	for _, name := range replaced {
		out = out.Without(name)
	}
	for _, name := range recorded { // what was merged away, such as hostRequirements that ask for nothing
		if merged.Lookup(name) == nil {
			out = out.Without(name)
		}
	}
	for _, v := range merged.Members {
		out = out.With(v.Name, v.Value)
	}
	return out.JSON(), nil
}

// list is an empty list for none, which JSON would call null.
func list(commands []Origin) []Origin {
	if commands == nil {
		return []Origin{}
	}
	return commands
}
