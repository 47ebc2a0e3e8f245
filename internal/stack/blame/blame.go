// Package blame reads from the errors of Compose, the builder and the engine what made up fail: they have no types for
// it.
package blame

import (
	"errors"
	"regexp"
	"strings"
)

// Service is what an error of Compose says of the service that made up fail.
type Service struct {
	// Container or Name is given, the other one is empty.
	Container, Name string
	// What happened, as in "exited with code 1".
	What string
	// NoHealthcheck is set if others wait until it is healthy, and it has no healthcheck.
	NoHealthcheck bool
}

var (
	blamedContainer = regexp.MustCompile(`container (\S+) (exited \((-?\d+)\)|is unhealthy|has no healthcheck configured)`)
	blamedService   = regexp.MustCompile(`service "([^"]+)" didn't complete successfully: exit (-?\d+)`)
)

// Of reads what an error says of a dependency that failed: Compose has no type for it. It is false for other
// errors.
func Of(err error) (Service, bool) {
	if m := blamedContainer.FindStringSubmatch(err.Error()); m != nil {
		b := Service{Container: m[1], What: m[2], NoHealthcheck: strings.HasPrefix(m[2], "has no")}
		if m[3] != "" {
			b.What = "exited with code " + m[3]
		}
		return b, true
	}
	if m := blamedService.FindStringSubmatch(err.Error()); m != nil {
		return Service{Name: m[1], What: "exited with code " + m[2]}, true
	}
	return Service{}, false
}

// ImageError says which image an error of the engine is about, which often leaves that out.
type ImageError struct {
	Ref string
	Err error
}

// Error is the engine's.
func (e *ImageError) Error() string { return e.Err.Error() }

// NextStep says what the user does next.
func (e *ImageError) NextStep() string { return "docker pull " + e.Ref + " tries it alone" }

// Unwrap gives the engine's error.
func (e *ImageError) Unwrap() error { return e.Err }

// baseImage finds the image that a Dockerfile begins with in the builder's error.
var baseImage = regexp.MustCompile(`failed to solve: [^\n]*failed to resolve source metadata for (\S+?): ([^\n]*)`)

// ImageOf returns the image that could neither be found nor pulled, nil if the error is about another thing. Built
// is set if a Dockerfile names it.
func ImageOf(err error) (e *ImageError, built bool) {
	if errors.As(err, &e) {
		return e, false
	}
	if m := baseImage.FindStringSubmatch(err.Error()); m != nil {
		return &ImageError{m[1], errors.New(m[2])}, true
	}
	return nil, false
}
