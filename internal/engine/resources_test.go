package engine

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"gotest.tools/v3/assert"
)

func TestNetworksTellTheirSubnets(t *testing.T) {
	t.Parallel()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Check(t, r.URL.Path == "/networks")
		assert.Check(t, len(labelFilter(t, r)) == 0)
		w.Write([]byte(`[{"Name":"b","Id":"2","Driver":"bridge","Internal":true,"IPAM":{"Config":[{"Subnet":"10.9.8.7/24"},{"Subnet":"fd00::/64"},{"Subnet":""}]}},
 {"Name":"a","Id":"1","Driver":"host","IPAM":{"Config":null}}]`))
	})
	got, err := e.Networks(t.Context(), nil)
	assert.NilError(t, err)
	assert.Equal(t, len(got), 2)
	assert.Equal(t, got[0].Name, "a")
	assert.Equal(t, len(got[0].Subnets), 0)
	assert.Assert(t, got[1].Internal)
	assert.Assert(t, slices.Equal(got[1].Subnets, []netip.Prefix{netip.MustParsePrefix("10.9.8.0/24"), netip.MustParsePrefix("fd00::/64")}))
}

func TestLabelledNetworksAndVolumesAreComposesOnly(t *testing.T) {
	t.Parallel()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		got := labelFilter(t, r)
		slices.Sort(got)
		assert.Check(t, slices.Equal(got, []string{LabelLoom + "=7", "com.docker.compose.project"}), got)
		if r.URL.Path == "/networks" {
			w.Write([]byte(`[]`))
			return
		}
		w.Write([]byte(`{"Volumes":[{"Name":"v","Driver":"local","CreatedAt":"2024-05-01T10:00:01Z","Labels":null},null]}`))
	})
	labels := map[string]string{LabelLoom: "7"}
	_, err := e.Networks(t.Context(), labels)
	assert.NilError(t, err)
	vs, err := e.Volumes(t.Context(), labels)
	assert.NilError(t, err)
	assert.Equal(t, len(vs), 1)
	assert.Equal(t, vs[0].CreatedAt.Unix(), int64(1714557601))
}

func TestImagesLeaveOutTheTagOfUntagged(t *testing.T) {
	t.Parallel()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`[{"Id":"1","RepoTags":["b:1","a:1"],"Created":5},{"Id":"2","RepoTags":["<none>:<none>"]},{"Id":"3","RepoTags":null}]`))
	})
	got, err := e.Images(t.Context(), "", nil)
	assert.NilError(t, err)
	assert.Equal(t, len(got), 3)
	assert.DeepEqual(t, got[2].Tags, []string{"a:1", "b:1"})
	assert.Equal(t, len(got[0].Tags), 0)
}

func TestRemovalToleratesTheMissingAndGoesOnAfterAnError(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		if r.Method == http.MethodDelete {
			mu.Lock()
			asked = append(asked, name)
			mu.Unlock()
		}
		switch name {
		case "json": // who uses the volume
			_, _ = w.Write([]byte(`[{"Id": "1", "Names": ["/web"]}]`))
		case "gone":
			refuse(w, 404, "no such thing: gone")
		case "used":
			refuse(w, 409, "volume is in use")
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	for kind, remove := range map[string]func([]string) error{
		"volume":    func(n []string) error { return e.RemoveVolumes(t.Context(), n) },
		"container": func(n []string) error { return e.RemoveContainers(t.Context(), n) },
	} {
		asked = nil
		err := remove([]string{"gone", "used", "last"})
		assert.Check(t, err != nil && strings.HasPrefix(err.Error(), kind+" used: "), "%v", err)
		assert.Check(t, len(asked) == 3)
		assert.Check(t, remove([]string{"gone", "last"}) == nil)
		assert.Check(t, remove(nil) == nil)
	}
	assert.Error(t, e.RemoveVolumes(t.Context(), []string{"used"}), "volume used: container web uses it")
}

func TestRemovalWaitsForOneAlreadyInProgress(t *testing.T) {
	t.Parallel()
	waited := false
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/wait") {
			waited = true
			assert.Check(t, r.URL.Query().Get("condition") == "removed")
			reply(w, map[string]int{"StatusCode": 0})
			return
		}
		refuse(w, 409, "removal of container x is already in progress")
	})
	assert.NilError(t, e.RemoveContainers(t.Context(), []string{"x"}))
	assert.Assert(t, waited)
}

func TestLoomsAreGroupedAndOutliveTheirContainers(t *testing.T) {
	t.Parallel()
	e := fake(t, func(w http.ResponseWriter, r *http.Request) {
		got := labelFilter(t, r)
		slices.Sort(got)
		assert.Check(t, slices.Equal(got, []string{LabelLoom, LabelRepo, "com.docker.compose.project"}), got)
		const loom1 = `"ai.iloom.loom":"1","ai.iloom.repo":"/r","com.docker.compose.project":"iloom-r-1"`
		switch r.URL.Path {
		case "/containers/json":
			w.Write([]byte(`[{"Id":"old","Created":1,"Labels":{` + loom1 + `,"ai.iloom.worktree":"/old","ai.iloom.offset":"9"}},
 {"Id":"new","Created":2,"Labels":{` + loom1 + `,"ai.iloom.worktree":"/new","ai.iloom.version":"v2","ai.iloom.offset":"0"}}]`))
		case "/networks":
			w.Write([]byte(`[{"Name":"n","Id":"n","Labels":{` + loom1 + `}}]`))
		case "/volumes":
			w.Write([]byte(`{"Volumes":[{"Name":"v","Labels":{"ai.iloom.loom":"2","ai.iloom.repo":"/r","com.docker.compose.project":"iloom-r-2"}}]}`))
		}
	})
	got, err := e.Looms(t.Context())
	assert.NilError(t, err)
	assert.Equal(t, len(got), 2)
	one, two := got[0], got[1]
	assert.Equal(t, one.ID, "1")
	assert.Equal(t, one.Project, "iloom-r-1")
	assert.Equal(t, one.WorkTree, "/new")
	assert.Equal(t, one.Version, "v2")
	assert.Assert(t, one.HasOffset)
	assert.Equal(t, one.Offset, 0)
	assert.Equal(t, len(one.Containers), 2)
	assert.Equal(t, len(one.Networks), 1)
	assert.Equal(t, two.ID, "2")
	assert.Equal(t, two.Repo, "/r")
	assert.Assert(t, !two.HasOffset)
	assert.Equal(t, len(two.Volumes), 1)
}
