package enginetest

import (
	"net/http"
	"slices"
	"strings"
)

// Request is a request that the engine got.
type Request struct {
	// Kind is its method and path, with ID in place of what names an object: POST /containers/ID/start.
	Kind string
	// Filters are what a list was filtered by, sorted: names of labels, and other filters such as name.
	Filters []string
}

// Requests returns the requests since the last call.
func (e *Engine) Requests() []Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.requests
	e.requests = nil
	return list
}

func (e *Engine) note(r *http.Request) {
	request := Request{Kind: r.Method + " " + kindOf(r.URL.Path)}
	args := filtersOf(r)
	for _, filter := range args.Keys() {
		if filter != "label" {
			request.Filters = append(request.Filters, filter)
		}
	}
	for _, label := range args.Get("label") {
		name, _, _ := strings.Cut(label, "=")
		request.Filters = append(request.Filters, name)
	}
	slices.Sort(request.Filters)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.requests = append(e.requests, request)
}

// kindOf is a path without the ID or name in it. The name of an image may have slashes.
func kindOf(path string) string {
	parts := strings.Split(path, "/")
	if len(parts) < 3 || slices.Contains([]string{"json", "create", "prune"}, parts[2]) {
		return path
	}
	kind := "/" + parts[1] + "/ID"
	last := parts[len(parts)-1]
	if parts[1] == "images" && !slices.Contains([]string{"json", "tag"}, last) || len(parts) == 3 {
		return kind
	}
	return kind + "/" + last
}
