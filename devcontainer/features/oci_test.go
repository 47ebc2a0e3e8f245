package features

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// doorkeeper is a registry that lets in who has the password, and has nothing for them.
func doorkeeper(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "me" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="door"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestARegistryThatRefusesIsToldWithTheLogin(t *testing.T) {
	t.Parallel()
	host := doorkeeper(t)
	_, err := (&Store{Dir: t.TempDir()}).Resolve(t.Context(), asking(host+"/team/x:1"), nil)
	var fetch *FetchError
	if !errors.As(err, &fetch) || fetch.Offline || !strings.Contains(err.Error(), "docker login "+host) {
		t.Error(err)
	}
}

func TestRegistriesGetTheUsersCredentials(t *testing.T) {
	t.Parallel()
	host := doorkeeper(t)
	store := &Store{Dir: t.TempDir(), Credential: func(_ context.Context, registry string) (auth.Credential, error) {
		if registry != host {
			return auth.EmptyCredential, nil
		}
		return auth.Credential{Username: "me", Password: "secret"}, nil
	}}
	_, err := store.Resolve(t.Context(), asking(host+"/team/x:1"), nil)
	if err == nil || !strings.Contains(err.Error(), "has no team/x with version 1") {
		t.Error(err)
	}
}
