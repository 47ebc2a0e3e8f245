package enginetest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
)

// box is a container.
type box struct {
	id, name string
	request  container.CreateRequest
	imageID  string
	networks map[string]*network.EndpointSettings
	state    container.ContainerState
	created  time.Time
	started  time.Time
}

// newID makes an ID that is unique in the engine.
func (e *Engine) newID() string {
	e.made++
	return fmt.Sprintf("%064x", e.made)
}

// box finds the container that a request names, and answers if there is none.
func (e *Engine) box(w http.ResponseWriter, r *http.Request) *box {
	id := r.PathValue("id")
	for _, b := range e.containers {
		if b.id == id || b.name == id {
			return b
		}
	}
	fail(w, http.StatusNotFound, "No such container: "+id)
	return nil
}

func (e *Engine) listContainers(w http.ResponseWriter, r *http.Request) {
	args, all := filtersOf(r), r.URL.Query().Get("all") == "1"
	list := []container.Summary{}
	for _, b := range e.containers {
		mounts := !args.Contains("volume") || slices.ContainsFunc(args.Get("volume"), b.mounts)
		if (all || b.state == container.StateRunning) && mounts && isWanted(args, b.name, b.request.Labels) {
			list = append(list, b.summary())
		}
	}
	reply(w, http.StatusOK, list)
}

func (e *Engine) createContainer(w http.ResponseWriter, r *http.Request) {
	b := &box{name: r.URL.Query().Get("name"), state: container.StateCreated, created: time.Now()}
	if !receive(w, r, &b.request) {
		return
	}
	used, ok := e.images[b.request.Image]
	if !ok {
		fail(w, http.StatusNotFound, "No such image: "+b.request.Image)
		return
	}
	b.id, b.imageID = e.newID(), used.ID
	// A container has the labels of its image.
	labels := map[string]string{}
	for _, from := range []map[string]string{used.Config.Labels, b.request.Labels} {
		for k, v := range from {
			labels[k] = v
		}
	}
	b.request.Labels = labels
	b.networks = map[string]*network.EndpointSettings{}
	if c := b.request.NetworkingConfig; c != nil {
		for name := range c.EndpointsConfig {
			b.networks[name] = &network.EndpointSettings{}
		}
	}
	e.containers = append(e.containers, b)
	e.tell(b, "create")
	reply(w, http.StatusCreated, container.CreateResponse{ID: b.id, Warnings: []string{}})
}

func (e *Engine) inspectContainer(w http.ResponseWriter, r *http.Request) {
	if b := e.box(w, r); b != nil {
		reply(w, http.StatusOK, b.inspect())
	}
}

func (e *Engine) startContainer(w http.ResponseWriter, r *http.Request) {
	b := e.box(w, r)
	if b == nil {
		return
	}
	b.state, b.started = container.StateRunning, time.Now()
	e.tell(b, "start")
	w.WriteHeader(http.StatusNoContent)
}

func (e *Engine) stopContainer(w http.ResponseWriter, r *http.Request) {
	if b := e.box(w, r); b != nil {
		b.state = container.StateExited
		e.tell(b, "die")
		w.WriteHeader(http.StatusNoContent)
	}
}

func (e *Engine) removeContainer(w http.ResponseWriter, r *http.Request) {
	if b := e.box(w, r); b != nil {
		e.containers = slices.DeleteFunc(e.containers, func(other *box) bool { return other == b })
		e.tell(b, "destroy")
		w.WriteHeader(http.StatusNoContent)
	}
}

// mounts reports whether the container has a volume.
func (b *box) mounts(volume string) bool {
	h := b.request.HostConfig
	return h != nil && (slices.ContainsFunc(h.Mounts, func(m mount.Mount) bool { return m.Source == volume }) ||
		slices.ContainsFunc(h.Binds, func(bind string) bool { return strings.HasPrefix(bind, volume+":") }))
}

// ports are the published ones.
func (b *box) ports() []container.Port {
	list := []container.Port{}
	if b.request.HostConfig == nil {
		return list
	}
	for target, bindings := range b.request.HostConfig.PortBindings {
		for _, binding := range bindings {
			public, err := strconv.ParseUint(binding.HostPort, 10, 16)
			if err != nil {
				continue
			}
			ip := binding.HostIP
			if ip == "" {
				ip = "0.0.0.0"
			}
			list = append(list, container.Port{
				IP: ip, PrivatePort: uint16(target.Int()), PublicPort: uint16(public), Type: target.Proto(),
			})
		}
	}
	return list
}

func (b *box) summary() container.Summary {
	s := container.Summary{
		ID: b.id, Names: []string{"/" + b.name}, Image: b.request.Image, ImageID: b.imageID, Created: b.created.Unix(),
		Labels: b.request.Labels, State: b.state, Ports: []container.Port{}, Mounts: []container.MountPoint{},
		NetworkSettings: &container.NetworkSettingsSummary{Networks: b.networks},
	}
	switch b.state {
	case container.StateRunning:
		s.Status, s.Ports = "Up 1 second", b.ports()
		if b.request.Healthcheck != nil {
			s.Status += " (healthy)"
		}
	case container.StateExited:
		s.Status = "Exited (0) 1 second ago"
	default:
		s.Status = "Created"
	}
	if h := b.request.HostConfig; h != nil {
		s.HostConfig.NetworkMode = string(h.NetworkMode)
	}
	return s
}

func (b *box) inspect() container.InspectResponse {
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
	state := &container.State{Status: b.state, Running: b.state == container.StateRunning, StartedAt: at(b.started)}
	if b.request.Healthcheck != nil {
		state.Health = &container.Health{Status: container.Healthy}
	}
	return container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID: b.id, Name: "/" + b.name, Created: at(b.created), Image: b.imageID, State: state,
			HostConfig: b.request.HostConfig, Path: strings.Join(b.request.Entrypoint, " "), Args: b.request.Cmd,
		},
		Config:          b.request.Config,
		NetworkSettings: &container.NetworkSettings{Networks: b.networks},
		Mounts:          []container.MountPoint{},
	}
}
