package enginetest

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Request is a request that an engine got.
type Request struct {
	// Kind is its method and path, with ID in place of what names an object: POST /containers/ID/start.
	Kind string
	// Filters are what a list was filtered by, sorted: names of labels, and other filters such as name.
	Filters []string
}

// notes are the requests that an engine got.
type notes struct {
	mu       sync.Mutex
	requests []Request
}

// Requests returns the requests since the last call.
func (n *notes) Requests() []Request {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.requests
	n.requests = nil
	return list
}

func (n *notes) note(r *http.Request) {
	request := Request{Kind: r.Method + " " + kindOf(withoutVersion(r.URL.Path))}
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
	n.mu.Lock()
	defer n.mu.Unlock()
	n.requests = append(n.requests, request)
}

// withoutVersion is a path without the API version that may be in front of it.
func withoutVersion(path string) string {
	if version, rest, ok := strings.Cut(path[1:], "/"); ok && strings.HasPrefix(version, "v1.") {
		return "/" + rest
	}
	return path
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
