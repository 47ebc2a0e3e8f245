package enginetest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

// AddImage puts an image on the engine.
func (e *Engine) AddImage(ref string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := image.InspectResponse{ID: "sha256:" + e.newID(), RepoTags: []string{ref}, Os: "linux", Architecture: "amd64"}
	config := `{"Config": {"Env": ["PATH=/usr/bin:/bin"], "Cmd": ["sleep", "infinity"]}}`
	if err := json.Unmarshal([]byte(config), &i); err != nil {
		panic(err)
	}
	e.images[ref] = i
}

func (e *Engine) listImages(w http.ResponseWriter, r *http.Request) {
	args, list := filtersOf(r), []image.Summary{}
	for ref, i := range e.images {
		matches := !args.Contains("reference") || args.ExactMatch("reference", ref)
		if matches && args.MatchKVList("label", i.Config.Labels) {
			list = append(list, image.Summary{ID: i.ID, RepoTags: i.RepoTags, Labels: i.Config.Labels})
		}
	}
	reply(w, http.StatusOK, list)
}

func (e *Engine) inspectImage(w http.ResponseWriter, r *http.Request) {
	ref := strings.TrimSuffix(r.PathValue("id"), "/json")
	for name, i := range e.images {
		if ref == name || ref == i.ID || ref+":latest" == name {
			reply(w, http.StatusOK, i)
			return
		}
	}
	fail(w, http.StatusNotFound, "No such image: "+ref)
}

func (e *Engine) removeImage(w http.ResponseWriter, r *http.Request) {
	ref := r.PathValue("id")
	if _, ok := e.images[ref]; !ok {
		fail(w, http.StatusNotFound, "No such image: "+ref)
		return
	}
	delete(e.images, ref)
	reply(w, http.StatusOK, []image.DeleteResponse{{Untagged: ref}})
}

func (e *Engine) network(w http.ResponseWriter, r *http.Request) *network.Inspect {
	id := r.PathValue("id")
	for _, n := range e.networks {
		if n.ID == id || n.Name == id {
			return n
		}
	}
	fail(w, http.StatusNotFound, "network "+id+" not found")
	return nil
}

func (e *Engine) listNetworks(w http.ResponseWriter, r *http.Request) {
	args, list := filtersOf(r), []network.Summary{}
	for _, n := range e.networks {
		if isWanted(args, n.Name, n.Labels) {
			list = append(list, *n)
		}
	}
	reply(w, http.StatusOK, list)
}

func (e *Engine) createNetwork(w http.ResponseWriter, r *http.Request) {
	var request network.CreateRequest
	if !receive(w, r, &request) {
		return
	}
	n := &network.Inspect{
		ID: e.newID(), Name: request.Name, Created: time.Now(), Scope: "local", Driver: "bridge", Labels: request.Labels,
	}
	if request.IPAM != nil {
		n.IPAM = *request.IPAM
	}
	e.networks = append(e.networks, n)
	reply(w, http.StatusCreated, network.CreateResponse{ID: n.ID})
}

func (e *Engine) inspectNetwork(w http.ResponseWriter, r *http.Request) {
	if n := e.network(w, r); n != nil {
		with := *n
		with.Containers = map[string]network.EndpointResource{}
		for _, b := range e.containers {
			if b.networks[n.Name] != nil && b.state == container.StateRunning {
				with.Containers[b.id] = network.EndpointResource{Name: b.name}
			}
		}
		reply(w, http.StatusOK, with)
	}
}

func (e *Engine) removeNetwork(w http.ResponseWriter, r *http.Request) {
	if n := e.network(w, r); n != nil {
		e.networks = slices.DeleteFunc(e.networks, func(other *network.Inspect) bool { return other == n })
		w.WriteHeader(http.StatusNoContent)
	}
}

func (e *Engine) volume(w http.ResponseWriter, r *http.Request) *volume.Volume {
	name := r.PathValue("id")
	for _, v := range e.volumes {
		if v.Name == name {
			return v
		}
	}
	fail(w, http.StatusNotFound, "get "+name+": no such volume")
	return nil
}

func (e *Engine) listVolumes(w http.ResponseWriter, r *http.Request) {
	args, list := filtersOf(r), []*volume.Volume{}
	for _, v := range e.volumes {
		if isWanted(args, v.Name, v.Labels) {
			list = append(list, v)
		}
	}
	reply(w, http.StatusOK, volume.ListResponse{Volumes: list})
}

func (e *Engine) createVolume(w http.ResponseWriter, r *http.Request) {
	var request volume.CreateOptions
	if !receive(w, r, &request) {
		return
	}
	v := &volume.Volume{Name: request.Name, Driver: "local", Scope: "local", Labels: request.Labels}
	e.volumes = append(e.volumes, v)
	reply(w, http.StatusCreated, v)
}

func (e *Engine) inspectVolume(w http.ResponseWriter, r *http.Request) {
	if v := e.volume(w, r); v != nil {
		reply(w, http.StatusOK, v)
	}
}

func (e *Engine) removeVolume(w http.ResponseWriter, r *http.Request) {
	if v := e.volume(w, r); v != nil {
		if i := slices.IndexFunc(e.containers, func(b *box) bool { return b.mounts(v.Name) }); i >= 0 {
			fail(w, http.StatusConflict, "remove "+v.Name+": volume is in use - ["+e.containers[i].id+"]")
			return
		}
		e.volumes = slices.DeleteFunc(e.volumes, func(other *volume.Volume) bool { return other == v })
		w.WriteHeader(http.StatusNoContent)
	}
}
